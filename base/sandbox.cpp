#include "base/sandbox.h"

#include <unistd.h>

namespace tenure {

namespace sandbox_detail {
constinit std::atomic<bool> filtered{false};
}

namespace {

// 0: not noted yet. Relaxed: written while there is one thread.
constinit std::atomic<pid_t> process{0};

}  // namespace

bool expect_filter() {
  const pid_t owner = process.load(std::memory_order_relaxed);
  if (owner != 0 && owner != getpid()) return false;
  return !sandbox_detail::filtered.exchange(true, std::memory_order_relaxed);
}

void expect_no_filter() { sandbox_detail::filtered.store(false, std::memory_order_relaxed); }

void note_process() { process.store(getpid(), std::memory_order_relaxed); }

}  // namespace tenure
