// The life of descriptors: connections come, are copied and closed.
//
// A child of vfork has its parent's memory and descriptors of its own, so its closes and copies change nothing here. close, dup and similar
// functions stay async-signal-safe: they change an entry of the table and a count.
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>

#include "rules/connection.h"
#include "rules/control.h"
#include "rules/current.h"
#include "rules/descriptors.h"
#include "rules/loaded.h"
#include "rules/process.h"
#include "rules/wrappers/next.h"

using namespace tenure::rules;

namespace {

bool has_entry(int fd) {
  return is_active(kIsOn) && fd >= 0 && descriptor_tenant(fd) != Reference::kNone;
}

// Called before the kernel closes the descriptor, because another thread may get the number at once.
void before_close(int fd) {
  if (has_entry(fd) && owns_memory()) leave(take_descriptor(fd));
}

void after_copy(int from, int to) {
  if (to < 0 || !(has_entry(from) || has_entry(to)) || !owns_memory()) return;
  const int saved = errno;
  copy_descriptor(from, to);
  errno = saved;
}

// The program opens a file at the number of the shared file.
void before_copy_onto(int fd) {
  if (is_active(kIsOn) && fd == share_descriptor() && owns_memory()) forget_share_descriptor();
}

int after_accept(int fd) {
  if (fd < 0 || !owns_memory()) return fd;
  take_connection(fd, nullptr, 0);
  tidy_up();
  return fd;
}

bool copies(int command) { return command == F_DUPFD || command == F_DUPFD_CLOEXEC; }

void close_entries(unsigned first, unsigned last) {
  const auto end = static_cast<unsigned>(descriptors_in_use());
  if (first >= end || !owns_memory()) return;
  for (unsigned fd = first; fd <= last && fd < end; ++fd)
    leave(take_descriptor(static_cast<int>(fd)));
}

}  // namespace

TENURE_EXPORT int accept(int fd, sockaddr* address, socklen_t* length) {
  if (!is_active(kConnectionRule)) return next().accept(fd, address, length);
  stop_serving();
  return after_accept(next().accept(fd, address, length));
}

TENURE_EXPORT int accept4(int fd, sockaddr* address, socklen_t* length, int flags) {
  if (!is_active(kConnectionRule)) return next().accept4(fd, address, length, flags);
  stop_serving();
  return after_accept(next().accept4(fd, address, length, flags));
}

TENURE_EXPORT int connect(int fd, const sockaddr* address, socklen_t length) {
  if (!is_active(kConnectionRule)) return next().connect(fd, address, length);
  const int result = next().connect(fd, address, length);
  if ((result == 0 || errno == EINPROGRESS) && address != nullptr && owns_memory())
    take_connection(fd, address, length);
  return result;
}

TENURE_EXPORT int close(int fd) {
  if (TENURE_UNLIKELY(is_active(kIsOn) && fd == share_descriptor())) {
    // The program has not opened this descriptor, and closes all numbers. Programs that it starts later must find the rules.
    errno = EBADF;
    return -1;
  }
  before_close(fd);
  return next().close(fd);
}

TENURE_EXPORT int close_range(unsigned first, unsigned last, int flags) {
  const auto share = static_cast<unsigned>(share_descriptor());
  constexpr unsigned kCloseOnExec = 4;
  if (!is_active(kIsOn)) return next().close_range(first, last, flags);
  if ((static_cast<unsigned>(flags) & kCloseOnExec) == 0) close_entries(first, last);
  if (share == UINT32_MAX || share < first || share > last)
    return next().close_range(first, last, flags);
  if (share > first) {
    if (const int result = next().close_range(first, share - 1, flags); result != 0) return result;
  }
  return share < last ? next().close_range(share + 1, last, flags) : 0;
}

TENURE_EXPORT void closefrom(int first) {
  const int share = share_descriptor();
  if (!is_active(kIsOn)) return next().closefrom(first);
  const int from = first < 0 ? 0 : first;
  close_entries(static_cast<unsigned>(from), UINT32_MAX);
  if (share < from) return next().closefrom(first);
  if (share > from)
    next().close_range(static_cast<unsigned>(from), static_cast<unsigned>(share) - 1, 0);
  next().closefrom(share + 1);
}

TENURE_EXPORT int fclose(FILE* file) {
  if (is_active(kConnectionRule) && file != nullptr) {
    const int saved = errno;
    before_close(fileno(file));
    errno = saved;
  }
  return next().fclose(file);
}

TENURE_EXPORT int dup(int fd) {
  const int result = next().dup(fd);
  after_copy(fd, result);
  return result;
}

TENURE_EXPORT int dup2(int from, int to) {
  const int result = next().dup2(from, to);
  if (result >= 0 && from != to) before_copy_onto(to);
  after_copy(from, result);
  return result;
}

TENURE_EXPORT int dup3(int from, int to, int flags) {
  const int result = next().dup3(from, to, flags);
  if (result >= 0) before_copy_onto(to);
  after_copy(from, result);
  return result;
}

TENURE_EXPORT int fcntl(int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  const int result = next().fcntl(fd, command, argument);
  if (copies(command)) after_copy(fd, result);
  return result;
}

TENURE_EXPORT int fcntl64(int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  const int result = next().fcntl64(fd, command, argument);
  if (copies(command)) after_copy(fd, result);
  return result;
}
