#include "base/memory/os_memory.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/memory/mapping_calls.h"
#include "base/system/fence.h"
#include "base/system/sandbox.h"
#include "base/system/system_file.h"
#include "base/words/atomic_update.h"
#include "base/words/bits.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

namespace tenure::os {
namespace {

// The bare calls, not the functions of these names that the library exports.
using sys::madvise;
using sys::mmap;
using sys::mprotect;
using sys::mremap;
using sys::munmap;

// malloc may set errno only to ENOMEM, and free may not set it at all. The callers decide, so these functions keep errno.
class KeepErrno {
public:
  KeepErrno() : saved_(errno) {}
  ~KeepErrno() { errno = saved_; }

private:
  int saved_;
};

bool is_limited(__rlimit_resource resource) {
  rlimit limit;
  return getrlimit(resource, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
}

constexpr int kAnonymous = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

// A committed range grows by an eighth, so that the number of calls is logarithmic. The step has a cap, because under mlockall(MCL_FUTURE)
// every committed byte becomes resident.
constexpr size_t kLargestStep = 64 * kMiB;

}  // namespace

void* reserve(size_t bytes, size_t alignment) {
  KeepErrno keep;
  const size_t padded = alignment > kPageSize ? bytes + alignment : bytes;
  if (padded < bytes) return nullptr;
  void* p = mmap(nullptr, padded, PROT_NONE, kAnonymous, -1, 0);
  if (p == MAP_FAILED) return nullptr;
  const uintptr_t start = reinterpret_cast<uintptr_t>(p);
  const uintptr_t aligned = round_up(start, alignment);
  if (aligned > start) munmap(p, aligned - start);
  if (start + padded > aligned + bytes) {
    munmap(reinterpret_cast<void*>(aligned + bytes), start + padded - aligned - bytes);
  }
  return reinterpret_cast<void*>(aligned);
}

Placed reserve_at(void* p, size_t bytes) {
  KeepErrno keep;
  void* const at = mmap(p, bytes, PROT_NONE, kAnonymous | MAP_FIXED_NOREPLACE, -1, 0);
  if (at == p) return Placed::kDone;
  if (at == MAP_FAILED) return errno == EEXIST ? Placed::kTaken : Placed::kRefused;
  munmap(at, bytes);  // Linux before 4.17 takes the address as a hint.
  return Placed::kTaken;
}

bool map_shared(void* p, size_t bytes, int fd) {
  KeepErrno keep;
  return mmap(p, bytes, PROT_NONE, MAP_SHARED | MAP_FIXED, fd, 0) == p;
}

Filled fill(void* p, size_t bytes) {
  KeepErrno keep;
  if (madvise(p, bytes, MADV_POPULATE_WRITE) == 0) return Filled::kDone;
  return errno == EINVAL || errno == ENOSYS ? Filled::kUnknown : Filled::kFull;
}

void* page_cleared_by_fork() {
  KeepErrno keep;
  void* const p = reserve(kPageSize, kPageSize);
  if (p == nullptr) return nullptr;
  if (madvise(p, kPageSize, MADV_WIPEONFORK) == 0 && commit(p, kPageSize)) return p;
  release(p, kPageSize);
  return nullptr;
}

void* probe_place() {
  void* const p = reserve(kPageSize, kPageSize);
  if (p) release(p, kPageSize);
  return p;
}

bool commit(void* p, size_t bytes) {
  KeepErrno keep;
  return mprotect(p, bytes, PROT_READ | PROT_WRITE) == 0;
}

bool commit_read_only(void* p, size_t bytes) {
  KeepErrno keep;
  return mprotect(p, bytes, PROT_READ) == 0;
}

void release(void* p, size_t bytes) {
  KeepErrno keep;
  munmap(p, bytes);
}

bool purge(void* p, size_t bytes) {
  KeepErrno keep;
  if (madvise(p, bytes, MADV_DONTNEED) == 0) return true;
  // Locked memory (mlockall): Linux 5.18 or later.
  return errno == EINVAL && madvise(p, bytes, MADV_DONTNEED_LOCKED) == 0;
}

void* map_file(int fd, size_t bytes) {
  KeepErrno keep;
  void* const p = mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
  return p == MAP_FAILED ? nullptr : p;
}

void populate(void* p, size_t bytes) {
  KeepErrno keep;
  madvise(p, bytes, MADV_POPULATE_WRITE);
}

void advise_huge_pages(void* p, size_t bytes, bool wanted) {
  KeepErrno keep;
  madvise(p, bytes, wanted ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

bool huge_pages_available() {
  if (is_filtered()) return false;
  KeepErrno keep;
  if (prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) > 0) return false;
  // "always madvise [never]". If the file cannot be read, /sys may just not be mounted.
  char text[64];
  const size_t length =
      read_system_file("/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof text);
  constexpr char kNever[] = "[never]";
  return length == 0 || memmem(text, length, kNever, sizeof kNever - 1) == nullptr;
}

size_t resident_pages(void* p, size_t bytes) {
  constexpr size_t kMost = kHugePageSize / kPageSize;
  const size_t pages = bytes / kPageSize;
  if (is_filtered() || pages > kMost) return 0;
  KeepErrno keep;
  unsigned char resident[kMost];
  if (mincore(p, bytes, resident) != 0) return 0;
  size_t count = 0;
  for (size_t i = 0; i < pages; ++i) count += resident[i] & 1;
  return count;
}

Move move_pages(void* from, void* to, size_t bytes) {
  KeepErrno keep;
  if (is_filtered()) return Move::kRefused;
  // Under these limits the kernel may refuse after it has unmapped the target, and another thread's mapping could take the address. So
  // objects are copied instead.
  if (is_limited(RLIMIT_AS) || is_limited(RLIMIT_DATA)) return Move::kRefused;
  if (mremap(from, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, to) == to) {
    return Move::kDone;
  }
  unsigned char resident;
  const bool unmapped = mincore(to, kPageSize, &resident) != 0 && errno == ENOMEM;
  return !unmapped || remap_fresh(to, bytes) ? Move::kRefused : Move::kTargetLost;
}

bool remap_fresh(void* p, size_t bytes) {
  KeepErrno keep;
  return mmap(p, bytes, PROT_READ | PROT_WRITE, kAnonymous | MAP_FIXED, -1, 0) == p;
}

size_t resident_anonymous() {
  char text[128];
  const size_t length = read_system_file("/proc/self/statm", text, sizeof text);
  // "size resident shared ...", in pages.
  const char* const end = text + length;
  const char* p = text;
  const auto next = [&] {
    while (p < end && *p != ' ') ++p;
    return p < end ? parse_number(++p, end, 0) : 0;
  };
  const uint64_t resident = next();
  const uint64_t shared = next();
  return resident > shared ? (resident - shared) * kPageSize : 0;
}

size_t address_space_limit() {
  if (is_filtered()) return SIZE_MAX;
  KeepErrno keep;
  rlimit limit;
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return SIZE_MAX;
  return limit.rlim_cur;
}

bool GrowingRange::ensure_slow(size_t upto) {
  if (upto > reserved_) return false;
  const size_t done = committed_.load(std::memory_order_acquire);
  if (upto <= done) return true;
  size_t step = round_up(done / 8, step_);
  if (step < step_) step = step_;
  if (step > kLargestStep) step = kLargestStep;
  size_t target = round_up(upto, step_);
  if (target < done + step) target = done + step;
  if (target > reserved_) target = reserved_;
  atomic_raise(wanted_, target);
  full_fence();  // give_up_unused()
  const size_t mapped = mapped_.load(std::memory_order_acquire);
  if (upto > mapped) return map_upto(upto);
  return commit_upto(upto, target < mapped ? target : mapped);
}

// Commits a part of the mapped range.
bool GrowingRange::commit_upto(size_t upto, size_t most) {
  const size_t done = committed_.load(std::memory_order_acquire);
  if (upto <= done) return true;
  // If the generous step is refused (overcommit_memory=2, RLIMIT_DATA), the exact step may succeed.
  if (!commit(base_ + done, most - done)) {
    most = round_up(upto, kPageSize);
    if (!commit(base_ + done, most - done)) return false;
  }
  atomic_raise(committed_, most);
  return true;
}

bool GrowingRange::map_upto(size_t upto) {
  // The obstacle is usually another thread's mapping that the thread has not published yet.
  constexpr int kLooks = 64;
  for (int look = 0; look < kLooks; ++look) {
    const size_t from = mapped_.load(std::memory_order_acquire);
    if (upto <= from) return commit_upto(upto, round_up(upto, kPageSize));
    if (!commit_upto(from, from)) return false;
    size_t target = round_up(upto, step_) < reserved_ ? round_up(upto, step_) : reserved_;
    Placed placed = reserve_at(base_ + from, target - from);
    if (placed == Placed::kRefused) {
      target = round_up(upto, kPageSize);
      placed = reserve_at(base_ + from, target - from);
    }
    if (placed == Placed::kDone) {
      atomic_raise(mapped_, target);
      if (commit_upto(upto, target)) return true;
      continue;
    }
    if (placed == Placed::kRefused && mapped_.load(std::memory_order_relaxed) == from) return false;
    sched_yield();
  }
  return false;
}

void GrowingRange::give_up_unused() {
  size_t end = mapped_.load(std::memory_order_acquire);
  const size_t used = round_up(committed_.load(std::memory_order_acquire), kPageSize);
  if (used >= end || !mapped_.compare_exchange_strong(end, used, std::memory_order_acq_rel)) return;
  full_fence();  // ensure_slow()
  size_t keep = round_up(wanted_.load(std::memory_order_acquire), kPageSize);
  if (keep > end) keep = end;
  if (keep > used) {
    atomic_raise(mapped_, keep);
  } else {
    keep = used;
  }
  if (keep < end) release(base_ + keep, end - keep);
}

}  // namespace tenure::os
