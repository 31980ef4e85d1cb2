#include "rcu/rseq_ops.h"

namespace tenure {

thread_local constinit CurrentScope current_scope{kRootFrontOffset, 0};

}  // namespace tenure
