// Functions that wait for events, wrapped. After a wait the thread works for its base until it reads again.
//
// The functions that POSIX allows in signal handlers (poll, select) make and end no tenants.
#include <errno.h>
#include <sys/syscall.h>

#include "rules/control.h"
#include "rules/current.h"
#include "rules/loaded.h"
#include "rules/threads.h"
#include "rules/wrappers/next.h"

using namespace tenure::rules;

namespace {

constexpr uint32_t kLooks = kConnectionRule | kThreadRule;

void before_wait() {
  if (!is_active(kLooks)) return;
  stop_serving();
  if (TENURE_UNLIKELY(this_thread.has_pending_name.load(std::memory_order_relaxed)))
    take_pending_name();
}

void before_event_loop_waits() {
  before_wait();
  if (TENURE_UNLIKELY(has_departed())) tidy_up();
}

}  // namespace

TENURE_EXPORT int poll(pollfd* fds, nfds_t count, int timeout) {
  before_wait();
  return next().poll(fds, count, timeout);
}

// NOLINTNEXTLINE(readability-identifier-naming): the C library's name.
TENURE_EXPORT int __poll_chk(pollfd* fds, nfds_t count, int timeout, size_t size) {
  before_wait();
  return next().poll_chk(fds, count, timeout, size);
}

TENURE_EXPORT int ppoll(pollfd* fds, nfds_t count, const timespec* timeout, const sigset_t* mask) {
  before_wait();
  return next().ppoll(fds, count, timeout, mask);
}

// NOLINTNEXTLINE(readability-identifier-naming): the C library's name.
TENURE_EXPORT int __ppoll_chk(pollfd* fds, nfds_t count, const timespec* timeout,
                              const sigset_t* mask, size_t size) {
  before_wait();
  return next().ppoll_chk(fds, count, timeout, mask, size);
}

TENURE_EXPORT int select(int count, fd_set* reads, fd_set* writes, fd_set* others,
                         timeval* timeout) {
  before_wait();
  return next().select(count, reads, writes, others, timeout);
}

TENURE_EXPORT int pselect(int count, fd_set* reads, fd_set* writes, fd_set* others,
                          const timespec* timeout, const sigset_t* mask) {
  before_wait();
  return next().pselect(count, reads, writes, others, timeout, mask);
}

TENURE_EXPORT int epoll_wait(int fd, epoll_event* events, int most, int timeout) {
  before_event_loop_waits();
  return next().epoll_wait(fd, events, most, timeout);
}

TENURE_EXPORT int epoll_pwait(int fd, epoll_event* events, int most, int timeout,
                              const sigset_t* mask) {
  before_event_loop_waits();
  return next().epoll_pwait(fd, events, most, timeout, mask);
}

TENURE_EXPORT int epoll_pwait2(int fd, epoll_event* events, int most, const timespec* timeout,
                               const sigset_t* mask) {
  before_event_loop_waits();
  return next().epoll_pwait2(fd, events, most, timeout, mask);
}

// Of libaio, which the program may have or not, and which may come later than this library.
using GetEvents = int (*)(void* context, long least, long most, void* events, timespec* timeout);

TENURE_EXPORT int io_getevents(void* context, long least, long most, void* events,
                               timespec* timeout) {
  before_event_loop_waits();
  static constinit std::atomic<GetEvents> found{
      nullptr};  // All who look find the same. Relaxed: a plain address.
  GetEvents real = found.load(std::memory_order_relaxed);
  if (real == nullptr) {
    real = reinterpret_cast<GetEvents>(dlsym(RTLD_NEXT, "io_getevents"));
    found.store(real, std::memory_order_relaxed);
  }
  if (real != nullptr) return real(context, least, most, events, timeout);
  const int saved = errno;
  const long result = syscall(SYS_io_getevents, context, least, most, events, timeout);
  const int error = errno;
  errno = saved;
  return result < 0 ? -error : static_cast<int>(result);
}
