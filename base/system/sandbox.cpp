#include "base/system/sandbox.h"

#include <pthread.h>
#include <unistd.h>

namespace tenure {

namespace sandbox_detail {
constinit std::atomic<bool> filtered{false};
}

// The child of a vfork has the thread control block of the thread that made it, with that thread's number. glibc writes the number into the
// mutexes that a thread holds.
bool is_in_memory_of_its_own() {
  pthread_mutex_t mutex = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
  if (pthread_mutex_lock(&mutex) != 0) return true;
  const pid_t own = mutex.__data.__owner;
  pthread_mutex_unlock(&mutex);
  return own == gettid();
}

bool expect_filter() {
  return is_in_memory_of_its_own() &&
         !sandbox_detail::filtered.exchange(true, std::memory_order_relaxed);
}

void expect_no_filter() { sandbox_detail::filtered.store(false, std::memory_order_relaxed); }

}  // namespace tenure
