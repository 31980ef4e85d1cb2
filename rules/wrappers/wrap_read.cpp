// Functions that read, wrapped. After a read the thread works for the connection.
//
// Each wrapper calls the wrapped function, which is the cancellation point, and looks at the descriptor afterwards. Without rules on
// connections a wrapper is one branch and a jump.
#include <errno.h>

#include "rules/connection.h"
#include "rules/current.h"
#include "rules/descriptors.h"
#include "rules/loaded.h"
#include "rules/threads.h"
#include "rules/wrappers/next.h"

using namespace tenure::rules;

namespace {

constexpr uint32_t kLooks = kConnectionRule | kThreadRule;

void after_read(int fd, ssize_t result) {
  if (result >= 0) serve(descriptor_tenant(fd));
  if (TENURE_UNLIKELY(this_thread.has_pending_name.load(std::memory_order_relaxed)))
    take_pending_name();
}

// Makes a call that reads from the descriptor.
template <typename Call>
ssize_t look_after(int fd, Call call) {
  if (!is_active(kLooks)) return call();
  const ssize_t result = call();
  after_read(fd, result);
  return result;
}

// Descriptors that came with a message.
void take_descriptors_of(msghdr& message) {
  if (message.msg_controllen == 0 || message.msg_control == nullptr) return;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len < CMSG_LEN(0))
      continue;
    const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      __builtin_memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
      take_passed(fd);
    }
  }
}

}  // namespace

TENURE_EXPORT ssize_t read(int fd, void* buffer, size_t bytes) {
  return look_after(fd, [&] { return next().read(fd, buffer, bytes); });
}

// NOLINTNEXTLINE(readability-identifier-naming): the C library's name.
TENURE_EXPORT ssize_t __read_chk(int fd, void* buffer, size_t bytes, size_t size) {
  return look_after(fd, [&] { return next().read_chk(fd, buffer, bytes, size); });
}

TENURE_EXPORT ssize_t readv(int fd, const iovec* parts, int count) {
  return look_after(fd, [&] { return next().readv(fd, parts, count); });
}

TENURE_EXPORT ssize_t recv(int fd, void* buffer, size_t bytes, int flags) {
  return look_after(fd, [&] { return next().recv(fd, buffer, bytes, flags); });
}

// NOLINTNEXTLINE(readability-identifier-naming): the C library's name.
TENURE_EXPORT ssize_t __recv_chk(int fd, void* buffer, size_t bytes, size_t size, int flags) {
  return look_after(fd, [&] { return next().recv_chk(fd, buffer, bytes, size, flags); });
}

TENURE_EXPORT ssize_t recvfrom(int fd, void* buffer, size_t bytes, int flags, sockaddr* from,
                               socklen_t* length) {
  return look_after(fd, [&] { return next().recvfrom(fd, buffer, bytes, flags, from, length); });
}

// NOLINTNEXTLINE(readability-identifier-naming): the C library's name.
TENURE_EXPORT ssize_t __recvfrom_chk(int fd, void* buffer, size_t bytes, size_t size, int flags,
                                     sockaddr* from, socklen_t* length) {
  return look_after(
      fd, [&] { return next().recvfrom_chk(fd, buffer, bytes, size, flags, from, length); });
}

TENURE_EXPORT ssize_t recvmsg(int fd, msghdr* message, int flags) {
  if (!is_active(kLooks)) return next().recvmsg(fd, message, flags);
  const ssize_t result = next().recvmsg(fd, message, flags);
  if (result >= 0 && is_active(kConnectionRule)) take_descriptors_of(*message);
  after_read(fd, result);
  return result;
}

TENURE_EXPORT int recvmmsg(int fd, mmsghdr* messages, unsigned count, int flags,
                           timespec* timeout) {
  if (!is_active(kLooks)) return next().recvmmsg(fd, messages, count, flags, timeout);
  const int result = next().recvmmsg(fd, messages, count, flags, timeout);
  for (int i = 0; i < result && is_active(kConnectionRule); ++i)
    take_descriptors_of(messages[i].msg_hdr);
  after_read(fd, result);
  return result;
}
