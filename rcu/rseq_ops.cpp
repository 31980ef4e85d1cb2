#include "rcu/rseq_ops.h"

namespace tenure {

thread_local constinit ThreadState this_thread{{kRootFrontOffset, 0}, 0};

}  // namespace tenure
