#include "base/meta_arena.h"

#include <new>

#include "base/atomic_update.h"

namespace tenure {

constinit MetaArena meta_arena;
constinit MetaArena tag_arena;

void* MetaArena::carve(size_t bytes) {
  // No more than asked for: blocks of different sizes lie side by side without gaps.
  const size_t alignment = bytes >= kPageSize ? kPageSize : kSmallest;
  for (;;) {
    const size_t seen = next_.load(std::memory_order_acquire);
    const size_t start = round_up(seen, alignment);
    if (start + bytes < start || !range_.ensure(start + bytes)) return nullptr;
    size_t expected = seen;
    // Committed first and claimed after, so that a refusal leaves no hole.
    if (next_.compare_exchange_weak(expected, start + bytes, std::memory_order_acq_rel)) {
      return range_.base() + start;
    }
  }
}

void* MetaArena::allocate(size_t bytes) {
  if (bytes > SIZE_MAX / 2) return nullptr;
  if (bytes > kLargest) {
    void* p = carve(round_up(bytes, kPageSize));
    if (p) in_use_.fetch_add(round_up(bytes, kPageSize), std::memory_order_relaxed);
    return p;
  }
  const unsigned order = order_of(bytes);
  const size_t size = kSmallest << order;
  void* p = reinterpret_cast<void*>(free_[order].pop());
  if (p) {
    __builtin_memset(p, 0, size);
  } else {
    p = carve(size);
  }
  if (p) in_use_.fetch_add(size, std::memory_order_relaxed);
  return p;
}

void MetaArena::release(void* block, size_t bytes) {
  if (block == nullptr) return;
  if (bytes > kLargest) {
    // Rare (arrays beyond a megabyte): cut into blocks of the largest order that later requests can use.
    size_t rest = round_up(bytes, kPageSize);
    in_use_.fetch_sub(rest, std::memory_order_relaxed);
    char* p = static_cast<char*>(block);
    for (; rest >= kLargest; rest -= kLargest, p += kLargest) {
      free_[kOrders - 1].push(reinterpret_cast<uint64_t>(p));
    }
    for (; rest >= kPageSize; rest -= kPageSize, p += kPageSize) {
      free_[order_of(kPageSize)].push(reinterpret_cast<uint64_t>(p));
    }
    return;
  }
  const unsigned order = order_of(bytes);
  in_use_.fetch_sub(kSmallest << order, std::memory_order_relaxed);
  free_[order].push(reinterpret_cast<uint64_t>(block));
}

}  // namespace tenure
