#include "api/helper_thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>

#include "allocator/arena.h"
#include "allocator/current.h"
#include "allocator/helper.h"

namespace tenure {
namespace {

// The deepest turn takes some ten KiB; glibc puts the program's thread-locals there, too.
constexpr size_t kStackBytes = 256 * kKiB;

// Set by who starts the helper, for as long as there is one. Relaxed: nothing is published by it.
constinit std::atomic<bool> started{false};

void* run(void*) {
  prctl(PR_SET_NAME, "tenure-helper");
  run_helper();
}

// `stack_bytes` 0: as libc gives.
int create(size_t stack_bytes) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  if (stack_bytes != 0) pthread_attr_setstacksize(&attributes, stack_bytes);
  // Signals are for the program's own threads; a thread begins with its creator's mask.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  const int error = pthread_create(&thread, &attributes, run, nullptr);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  return error;
}

}  // namespace

void start_helper() {
  if (arena.settings.helper_ms == 0) return;
  if (started.load(std::memory_order_relaxed) || started.exchange(true, std::memory_order_relaxed))
    return;
  const int saved = errno;
  // So that our pthread_create does not start the thread in this one's tenant; and what libc allocates for it is the root's.
  const ScopedTenant as_root(root_tenant);
  int error = create(kStackBytes);
  if (error == EINVAL) error = create(0);  // The program's thread-locals do not fit.
  if (error != 0) started.store(false, std::memory_order_relaxed);
  errno = saved;
}

void forget_helper_after_fork() {
  if (started.load(std::memory_order_relaxed)) started.store(false, std::memory_order_relaxed);
}

}  // namespace tenure
