// Tenure's C API, by weak references. So libtenure_rules.so can be loaded without libtenure.so, and does nothing then.
#pragma once

#include "base/words/attributes.h"

#ifndef TENURE_WEAK
#error "tenure.h declares its functions weak where TENURE_WEAK is defined"
#endif
#include "tenure/tenure.h"
