#include "micro/common.h"

BENCHMARK_MAIN();
