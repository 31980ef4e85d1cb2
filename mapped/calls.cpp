#include "mapped/calls.h"

#include <errno.h>

#include "accounting/charge/process_memory.h"
#include "allocator/heap/bootstrap.h"
#include "base/memory/mapping_calls.h"
#include "mapped/account.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

namespace tenure::mapped {

constinit std::atomic<Tracking> tracking{Tracking::kUnknown};

namespace {

uint64_t page_of(const void* p) { return reinterpret_cast<uint64_t>(p) / kPageSize; }
bool is_aligned(const void* p) { return reinterpret_cast<uint64_t>(p) % kPageSize == 0; }
// 0 if the kernel refuses the length.
uint64_t pages_of(size_t bytes) {
  return bytes > SIZE_MAX - kPageSize ? 0 : divide_up(bytes, kPageSize);
}

PageState state_of_new(int protection, int flags) {
  if ((flags & MAP_TYPE) != MAP_PRIVATE || (flags & MAP_ANONYMOUS) == 0 ||
      (flags & MAP_HUGETLB) != 0)
    return PageState::kForeign;
  const bool writable = (protection & PROT_WRITE) != 0 && (flags & MAP_NORESERVE) == 0;
  return writable ? PageState::kWritable : PageState::kReserved;
}

}  // namespace

TENURE_SLOW bool begin_tracking() {
  if (!bootstrap()) return false;
  const bool wanted = counts_mappings();
  tracking.store(wanted ? Tracking::kOn : Tracking::kOff, std::memory_order_relaxed);
  return wanted;
}

void* map(void* p, size_t bytes, int protection, int flags, int fd, off64_t offset) {
  const uint64_t pages = pages_of(bytes);
  const bool replaces = (flags & MAP_FIXED) != 0 && (flags & MAP_FIXED_NOREPLACE) == 0;
  // A call that the kernel is going to refuse changes nothing.
  if (pages == 0 || (replaces && PageRange::of(p, bytes).count == 0) ||
      (replaces && !is_aligned(p)))
    return sys::mmap(p, bytes, protection, flags, fd, offset);
  const PageState state = state_of_new(protection, flags);
  InHand account;
  TakenStates before;
  if (replaces) before.take({page_of(p), pages}, account);
  if (state == PageState::kWritable && !account.have(pages)) {
    before.put_back(account);
    return MAP_FAILED;
  }
  void* const at = sys::mmap(p, bytes, protection, flags, fd, offset);
  if (at == MAP_FAILED) {
    before.put_back(account);
    return at;
  }
  account.set({page_of(at), pages}, state);
  return at;
}

int unmap(void* p, size_t bytes) {
  const PageRange range = PageRange::of(p, bytes);
  if (range.count == 0 || !is_aligned(p)) return sys::munmap(p, bytes);
  InHand account;
  TakenStates before;
  before.take(range, account);
  const int result = sys::munmap(p, bytes);
  if (result != 0) before.put_back(account);
  return result;
}

// One mapping grows, shrinks or moves, or its pages move and leave it empty (MREMAP_DONTUNMAP).
void* remap(void* p, size_t bytes, size_t new_bytes, int flags, void* to) {
  const PageRange old = PageRange::of(p, bytes);
  const uint64_t pages = pages_of(new_bytes);
  const bool fixed = (flags & MREMAP_FIXED) != 0;
  const bool stays = (flags & MREMAP_DONTUNMAP) != 0;
  if (old.count == 0 || pages == 0 || !is_aligned(p) ||
      (fixed && (!is_aligned(to) || PageRange::of(to, new_bytes).count == 0)))
    return sys::mremap(p, bytes, new_bytes, flags, to);
  InHand account;
  TakenStates before, replaced;
  before.take(old, account);
  if (fixed) replaced.take({page_of(to), pages}, account);
  const uint64_t kept = pages < old.count ? pages : old.count;
  const PageState last = before.last();
  const uint64_t growth = pages - kept;
  const uint64_t needed = before.charged(kept) + (last == PageState::kWritable ? growth : 0) +
                          (stays ? before.charged(old.count) : 0);
  void* const at = account.have(needed) ? sys::mremap(p, bytes, new_bytes, flags, to) : MAP_FAILED;
  if (at == MAP_FAILED) {
    before.put_back(account);
    if (fixed) replaced.put_back(account);
    return at;
  }
  if (stays) {
    before.put_back(account);
    account.change(old, page_word::discarded);  // Its pages have moved.
  }
  before.put(page_of(at), kept, account);
  const PageState grown = last == PageState::kKept ? PageState::kReserved : last;
  if (growth != 0) account.set({page_of(at) + kept, growth}, grown);
  return at;
}

int protect(void* p, size_t bytes, int protection, int key) {
  const auto call = [&] {
    return key == kNoKey ? sys::mprotect(p, bytes, protection)
                         : sys::pkey_mprotect(p, bytes, protection, key);
  };
  const PageRange range = PageRange::of(p, bytes);
  if (range.count == 0 || !is_aligned(p)) return call();
  InHand account;
  if ((protection & PROT_WRITE) != 0) {
    const uint64_t more =
        page_states.count(range, [](PageState state) { return state == PageState::kReserved; });
    if (!account.have(more)) return -1;
    const int result = call();
    if (result == 0) account.change(range, page_word::made_writable);
    return result;
  }
  const int result = call();
  if (result != 0) return result;
  account.change(range, page_word::write_protected);
  release_absent(range, account);
  return result;
}

// Writable memory stays charged, because the program may write to it again without a call.
int advise(void* p, size_t bytes, int advice) {
  const int result = sys::madvise(p, bytes, advice);
  if (result != 0 || (advice != MADV_DONTNEED && advice != MADV_DONTNEED_LOCKED)) return result;
  InHand account;
  account.change(PageRange::of(p, bytes), page_word::discarded);
  return result;
}

char* move_break(char* now, char* end) {
  const uint64_t from = divide_up(reinterpret_cast<uint64_t>(now), kPageSize);
  const uint64_t to = divide_up(reinterpret_cast<uint64_t>(end), kPageSize);
  InHand account;
  if (to < from) {
    TakenStates before;
    before.take({to, from - to}, account);
    char* const reached = sys::brk(end);
    if (reached != end) before.put_back(account);
    return reached;
  }
  if (!account.have(to - from)) return now;
  char* const reached = sys::brk(end);
  if (reached == end) account.set({from, to - from}, PageState::kWritable);
  return reached;
}

uint64_t charged_bytes() { return page_states.charged(PageStates::everything()) * kPageSize; }

}  // namespace tenure::mapped
