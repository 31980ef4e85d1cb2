#include "base/os_memory.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/atomic_update.h"
#include "base/bits.h"
#include "base/sandbox.h"
#include "base/system_file.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

namespace tenure::os {
namespace {

// malloc may set errno only to ENOMEM and free not at all; callers decide, so nothing leaks from here.
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

// Growth of a committed range: an eighth of what is there, so that the number of calls is logarithmic,
// capped because under mlockall(MCL_FUTURE) every committed byte becomes resident.
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
  return madvise(p, bytes, MADV_DONTNEED) == 0;
}

void populate(void* p, size_t bytes) {
  KeepErrno keep;
  madvise(p, bytes, MADV_POPULATE_WRITE);
}

void advise_huge_pages(void* p, size_t bytes, bool wanted) {
  KeepErrno keep;
  madvise(p, bytes, wanted ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
}

Move move_pages(void* from, void* to, size_t bytes) {
  KeepErrno keep;
  if (is_filtered()) return Move::kRefused;
  // Under these limits the kernel may refuse only after it has unmapped the target, and another thread's mapping could
  // take the place: then objects are copied instead.
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
  // Where the generous step is refused (overcommit_memory=2, RLIMIT_DATA), the exact one may do.
  if (!commit(base_ + done, target - done)) {
    target = round_up(upto, kPageSize);
    if (!commit(base_ + done, target - done)) return false;
  }
  atomic_raise(committed_, target);
  return true;
}

}  // namespace tenure::os
