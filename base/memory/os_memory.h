// Room base/memory: mappings from the kernel, and the arena for metadata. It calls base/words and base/system. It promises that a
// refused mapping is reported and never ends the process.
//
// The only caller of mmap and its family. Every function keeps errno.
//
// Address space is first reserved (PROT_NONE: it costs nothing under RLIMIT_DATA, overcommit_memory=2 or
// mlockall) and then committed in steps as it is used.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace tenure::os {

// Reserves address space, aligned to `alignment` (a power of two, at least a page). nullptr if refused.
void* reserve(size_t bytes, size_t alignment);
// Reserves address space at exactly this address. kTaken: the address is in use. kRefused: the system's limits refuse it.
enum class Placed : unsigned char { kDone, kTaken, kRefused };
Placed reserve_at(void* p, size_t bytes);
// Maps the file's first bytes, shared, over reserved address space: commit() makes them usable. False: nothing has changed.
bool map_shared(void* p, size_t bytes, int fd);
// Faults the pages of a shared mapping in for writing. kFull: the file system has no room, or is gone; no thread may touch the pages then.
// kUnknown: the kernel has no such call (before Linux 5.14).
enum class Filled : unsigned char { kDone, kFull, kUnknown };
Filled fill(void* p, size_t bytes);
// A page that reads as zeros in every process with a copy of this process's memory. nullptr if the kernel has no such pages.
void* page_cleared_by_fork();
// The NUMA node on which the system would put a page now.
void* probe_place();
// Makes reserved memory readable and writable, zero filled. False if the system refuses.
bool commit(void* p, size_t bytes);
// Makes reserved memory readable: it reads as zeros and takes no memory.
bool commit_read_only(void* p, size_t bytes);
// Gives address space back.
void release(void* p, size_t bytes);

// Gives the pages back to the system; they read as zeros afterwards. False if the system refuses (a seccomp filter; locked memory before
// Linux 5.18). The contents are then unspecified: old, or zero.
bool purge(void* p, size_t bytes);
// Maps the file for reading. Writes of other processes are visible. nullptr if refused.
void* map_file(int fd, size_t bytes);
// Faults the pages in for writing, in one call. Best effort.
void populate(void* p, size_t bytes);
// Asks for, or against, huge pages. Best effort.
void advise_huge_pages(void* p, size_t bytes, bool wanted);
// Whether the system may follow advise_huge_pages(). False if it never does, for all processes or for this one (PR_SET_THP_DISABLE).
bool huge_pages_available();
// The number of resident pages, of a range of at most one huge page. 0 if the system does not tell, or if the process counts as filtered
// (base/system/sandbox.h).
size_t resident_pages(void* p, size_t bytes);
// Moves the pages of [from, from + bytes) to `to` without copying. Afterwards `from` is mapped and reads as zeros. Both ranges are
// committed. kRefused: nothing has changed, except the contents of `to`. kTargetLost: the kernel has unmapped the target, and it could not
// be mapped again.
enum class Move : unsigned char { kDone, kRefused, kTargetLost };
Move move_pages(void* from, void* to, size_t bytes);
// Replaces the mapping of a committed range by a fresh one, so that neighbouring mappings that move_pages split can merge again. False,
// with nothing changed, if the kernel refuses.
bool remap_fresh(void* p, size_t bytes);

// Resident memory of the process without pages of files; 0 if /proc/self/statm cannot be read.
size_t resident_anonymous();

// RLIMIT_AS, or SIZE_MAX if there is no limit or the process counts as filtered (base/system/sandbox.h).
size_t address_space_limit();

// A range of address space that is committed from its start upward, as far as it has been used.
//
// Usually the whole range is reserved in advance. RLIMIT_AS counts reservations. If the program has that limit, nothing is reserved in
// advance: growth maps exactly the bytes that it needs, at the address behind the mapped part, and so meets the limit as every other part
// of the program does. Another mapping is unlikely to have taken that address (allocator/heap/bootstrap chooses the place). If one has,
// growth is refused.
//
// Growth is lock-free with one exception: a thread that is stopped between its mapping and the publication of the mapping makes the growth
// of other threads fail, as at the limit. No thread waits.
class GrowingRange {
public:
  constexpr GrowingRange() = default;

  // Takes over reserved address space; `step` is the smallest growth, a power of two. Several threads may do this at once at bootstrap,
  // with the same values. `mapped`: the whole range is reserved.
  void adopt(void* base, size_t bytes, size_t step, bool mapped = true) {
    base_ = static_cast<char*>(base);
    reserved_ = bytes;
    step_ = step;
    size_t none = 0;
    if (mapped) mapped_.compare_exchange_strong(none, bytes, std::memory_order_relaxed);
  }

  char* base() const { return base_; }
  size_t reserved() const { return reserved_; }
  size_t committed() const { return committed_.load(std::memory_order_acquire); }

  // Makes [0, upto) usable. Lock-free: any number of threads may commit the same bytes, which is
  // idempotent, and `committed_` only rises after they are usable. False if the system refuses.
  bool ensure(size_t upto) {
    return upto <= committed_.load(std::memory_order_acquire) || ensure_slow(upto);
  }

  // Whether nothing is reserved ahead.
  bool meets_limit() const { return mapped_.load(std::memory_order_relaxed) < reserved_; }
  // Gives back the address space that is reserved and not committed. Other threads may be growing the range.
  void give_up_unused();

private:
  bool ensure_slow(size_t upto);
  bool commit_upto(size_t upto, size_t most);
  bool map_upto(size_t upto);

  char* base_ = nullptr;              // Constant after adopt().
  size_t reserved_ = 0;               // Constant after adopt().
  size_t step_ = 0;                   // Constant after adopt().
  std::atomic<size_t> committed_{0};  // Rises only; published after the bytes below it are usable.
  // Address space below this offset belongs to the range. give_up_unused() lowers the offset before it gives back the space above; growth
  // raises it after it has mapped more. A growing thread raises `wanted_`, then loads `mapped_`. A thread that gives up space lowers
  // `mapped_`, then loads `wanted_`. Both have a fence in between, so one of them sees the other. All other accesses are acquire and
  // release.
  std::atomic<size_t> mapped_{0};
  std::atomic<size_t> wanted_{0};  // The largest offset that growth has requested. Rises only.
};

}  // namespace tenure::os
