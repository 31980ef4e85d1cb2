// The program's mappings, charged to the process: mmap and its family, done and accounted for.
//
// Charged is private anonymous memory that the program may write to, from the moment in which it may (as the kernel's own commit accounting does),
// not what it has written to: a write cannot be refused. Not charged: shared memory and files; reservations, that is what is not
// writable, or mapped writable with MAP_NORESERVE, until mprotect makes it writable; huge pages of hugetlbfs, which are a pool of their own.
// docs/process-limit.md has all rules.
//
// Each call charges what it needs before the system call, takes the states of the pages that it is about to replace or unmap out of the map
// before it as well (after it, other threads may get these addresses), and puts the new states in after it. No lock: page_states.h. So all of
// this is lock-free, async-signal-safe, and right in any fork child. The child of a vfork maps in its parent's address space, and in its
// parent's account.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace tenure::mapped {

enum class Tracking : uint8_t { kUnknown, kOff, kOn };
// Constant from the first call on. Relaxed: whoever finds it unknown asks the settings.
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
// Moves the end of the data segment from `now` to `end`. The end afterwards: `now` at the limit.
char* move_break(char* now, char* end);

// The charged bytes, counted anew.
uint64_t charged_bytes();

}  // namespace tenure::mapped
