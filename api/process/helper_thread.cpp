#include "api/process/helper_thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>

#include "allocator/slabs/arena.h"
#include "allocator/slabs/current.h"
#include "allocator/upkeep/helper.h"
#include "api/process/threads.h"
#include "base/system/sandbox.h"

namespace tenure {
namespace {

// The deepest turn takes some ten KiB; glibc puts the program's thread-locals there, too.
constexpr size_t kStackBytes = 256 * kKiB;

void* run(void*) {
  if (!is_filtered()) prctl(PR_SET_NAME, "tenure-helper");
  run_helper();
  return nullptr;
}

// `stack_bytes` 0: libc's default.
int create(size_t stack_bytes) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  if (stack_bytes != 0) pthread_attr_setstacksize(&attributes, stack_bytes);
  // Signals are for the program's own threads. A new thread inherits its creator's mask.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  const int error = create_thread_of_ours(&thread, &attributes, run, nullptr);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  return error;
}

bool is_wanted() {
  const auto mode = static_cast<HelperMode>(arena.settings.helper);
  return mode == HelperMode::kOn || (mode == HelperMode::kAuto && has_threads());
}

}  // namespace

void start_helper() {
  wake_helper();
  HelperState state = helper_state.load(std::memory_order_seq_cst);
  if (state != HelperState::kNone || !is_wanted()) return;
  if (!helper_state.compare_exchange_strong(state, HelperState::kStarting,
                                            std::memory_order_seq_cst))
    return;
  const int saved = errno;
  // libc's allocations for the thread are charged to the root.
  const ScopedTenant as_root(root_tenant);
  int error = note_main_thread() ? create(kStackBytes) : EAGAIN;
  if (error == EINVAL) error = create(0);  // The program's thread-locals do not fit.
  if (error != 0) helper_state.store(HelperState::kNone, std::memory_order_seq_cst);
  errno = saved;
}

}  // namespace tenure
