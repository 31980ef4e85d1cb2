// Room base/system: the kernel and libc. It calls base/words. It promises that no function allocates, and that each keeps errno unless
// its comment says otherwise.
//
// Bare system calls. libc's read, write and nanosleep are cancellation points, and malloc must not be one: a cancelled thread would be
// unwound out of malloc, with locks held and charges half made. Errors are as libc's: -1 and errno.
#pragma once

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace tenure::sys {

inline int open_for_reading(const char* path) {
  return static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC));
}
// Opens with O_CLOEXEC, and not through a symbolic link.
inline int open_at(int folder, const char* path, int flags, mode_t mode = 0) {
  return static_cast<int>(syscall(SYS_openat, folder, path, flags | O_CLOEXEC | O_NOFOLLOW, mode));
}
inline ssize_t write_at(int fd, const void* buffer, size_t bytes, uint64_t offset) {
  return syscall(SYS_pwrite64, fd, buffer, bytes, offset);
}
// Reserves room in the file system for the file's first bytes.
inline bool allocate_file(int fd, uint64_t bytes) {
  return syscall(SYS_fallocate, fd, 0, uint64_t{0}, bytes) == 0;
}
inline ssize_t read(int fd, void* buffer, size_t bytes) {
  return syscall(SYS_read, fd, buffer, bytes);
}
inline ssize_t write(int fd, const void* buffer, size_t bytes) {
  return syscall(SYS_write, fd, buffer, bytes);
}
// Whether a write would neither block nor fail, as far as the kernel reports it.
inline bool is_writable(int fd) {
  pollfd it{fd, POLLOUT, 0};
  constexpr timespec kNow{};
  if (syscall(SYS_ppoll, &it, 1, &kNow, nullptr, 0) < 0) return true;
  return (it.revents & (POLLOUT | POLLERR | POLLNVAL)) == POLLOUT;
}
inline bool is_open(int fd) { return syscall(SYS_fcntl, fd, F_GETFD) >= 0; }
inline void close(int fd) { syscall(SYS_close, fd); }
// Waits until the word, which is `seen` now, is woken, or until the time is over. May return early for no reason.
inline void wait_for(std::atomic<uint32_t>& word, uint32_t seen, const timespec& time) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAIT_PRIVATE, seen, &time, nullptr,
          0);
}
inline void wake_one(std::atomic<uint32_t>& word) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr,
          0);
}

// Masks in the kernel's form: a bit for each signal.
inline void change_signal_mask(int how, const uint64_t* mask, uint64_t* before) {
  syscall(SYS_rt_sigprocmask, how, mask, before, sizeof *mask);
}

// The same for a word that other processes also map.
inline void wait_for_shared(uint32_t& word, uint32_t seen, uint32_t ms) {
  const timespec time{static_cast<time_t>(ms / 1000), static_cast<long>(ms % 1000 * 1000000)};
  syscall(SYS_futex, &word, FUTEX_WAIT, seen, &time, nullptr, 0);
}
inline void wake_shared(uint32_t& word) {
  syscall(SYS_futex, &word, FUTEX_WAKE, INT32_MAX, nullptr, nullptr, 0);
}

// Ends early after a signal handler has run. Uses futex, which filters of system calls let pass (base/system/sandbox.h).
inline void sleep(const timespec& time) {
  std::atomic<uint32_t> nobody_wakes{0};
  wait_for(nobody_wakes, 0, time);
}

// Whether the process has a thread of that number, as the kernel sees it.
inline bool is_thread(int32_t id) { return syscall(SYS_tgkill, getpid(), id, 0) == 0; }

}  // namespace tenure::sys
