// The program's mappings, charged to the process. These functions make the calls of mmap and its family, and account for them.
//
// Private anonymous memory is charged from the moment in which the program may write to it, as in the kernel's own commit accounting,
// because a write cannot be refused. Three kinds of memory are not charged: shared memory and files; reservations (memory that is not
// writable, or that was mapped writable with MAP_NORESERVE) until mprotect makes them writable; and huge pages of hugetlbfs, which are a
// pool of their own. docs/process-limit.md has all rules.
//
// Before the system call, each function charges the pages that it needs, and takes the states of the pages that it is about to replace or
// unmap out of the map. (After the system call other threads may get these addresses.) After the system call it puts the new states into
// the map. There is no lock (page_states.h), so the functions are lock-free, async-signal-safe, and right in any fork child. The child of a
// vfork maps in its parent's address space, and in its parent's account.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace tenure::mapped {

enum class Tracking : uint8_t { kUnknown, kOff, kOn };
// Constant from the first call on. Relaxed: a thread that finds it unknown reads the settings.
extern constinit std::atomic<Tracking> tracking;
bool begin_tracking();
// Whether mappings are charged in this process.
inline bool tracks() {
  const Tracking seen = tracking.load(std::memory_order_relaxed);
  return seen == Tracking::kOn || (seen == Tracking::kUnknown && begin_tracking());
}

// As the system calls of these names: results and errno. ENOMEM at the limit, with nothing changed.
void* map(void* p, size_t bytes, int protection, int flags, int fd, off64_t offset);
int unmap(void* p, size_t bytes);
void* remap(void* p, size_t bytes, size_t new_bytes, int flags, void* to);
// `key` of pkey_mprotect, or kNoKey.
constexpr int kNoKey = -1;
int protect(void* p, size_t bytes, int protection, int key);
int advise(void* p, size_t bytes, int advice);
// Moves the end of the data segment from `now` to `end`. Returns the new end; `now` at the limit.
char* move_break(char* now, char* end);

// The charged bytes, counted anew.
uint64_t charged_bytes();

}  // namespace tenure::mapped
