#include "rcu/rseq_ops.h"

namespace tenure {

thread_local constinit uint32_t current_front = kRootFrontOffset;

}  // namespace tenure
