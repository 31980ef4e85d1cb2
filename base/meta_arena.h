// Memory for the allocator's own structures: never mixed with user memory, never unmapped, so that a stale
// pointer into it can always be read.
//
// Blocks are rounded to a power of two (64 B to 1 MiB) and recycled per size through lock-free stacks. Larger
// ones are carved from the range and recycled in the largest stack only when they fit it.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>

#include "base/attributes.h"
#include "base/bits.h"
#include "base/os_memory.h"
#include "base/tagged_stack.h"

namespace tenure {

class MetaArena {
public:
  static constexpr size_t kSmallest = kCacheLine;
  static constexpr size_t kLargest = kMiB;

  constexpr MetaArena() = default;

  // Takes over reserved address space at bootstrap. `step`: it is committed in pieces of this many bytes.
  void adopt(void* base, size_t bytes, size_t step = 64 * kKiB) { range_.adopt(base, bytes, step); }

  // Zeroed memory, aligned to 64 bytes (blocks of 4 KiB and more: to a page), or nullptr when the reservation or
  // the system's memory is exhausted. Lock-free, async-signal-safe.
  void* allocate(size_t bytes);
  // Gives a block of allocate(bytes) back. It stays readable; its first 8 bytes are overwritten.
  void release(void* block, size_t bytes);

  // What a block of that size takes.
  static size_t block_bytes(size_t bytes) {
    if (bytes == 0) return 0;
    return bytes > kLargest ? round_up(bytes, kPageSize) : kSmallest << order_of(bytes);
  }
  // Bytes handed out and not released.
  size_t in_use() const { return in_use_.load(std::memory_order_relaxed); }
  size_t committed() const { return range_.committed(); }
  uint64_t base() const { return reinterpret_cast<uint64_t>(range_.base()); }

  // Convenience for structures with a trivial or constant constructor.
  template <typename T, typename... Args>
  T* create(Args&&... args) {
    void* p = allocate(sizeof(T));
    return p ? new (p) T(static_cast<Args&&>(args)...) : nullptr;
  }
  template <typename T>
  void destroy(T* object) {
    object->~T();
    release(object, sizeof(T));
  }

private:
  struct Links {
    TENURE_STALE_READ static uint64_t load(uint64_t node) {
      return reinterpret_cast<std::atomic<uint64_t>*>(node)->load(std::memory_order_relaxed);
    }
    static void store(uint64_t node, uint64_t next) {
      reinterpret_cast<std::atomic<uint64_t>*>(node)->store(next, std::memory_order_relaxed);
    }
  };
  static constexpr unsigned kOrders = log2_floor(kLargest) - log2_floor(kSmallest) + 1;
  static unsigned order_of(size_t bytes) {
    return bytes <= kSmallest ? 0 : log2_ceil(bytes) - log2_floor(kSmallest);
  }
  void* carve(size_t bytes);

  os::GrowingRange range_;
  std::atomic<size_t> next_{0};    // Bytes carved from the range so far.
  std::atomic<size_t> in_use_{0};  // Statistics only: relaxed.
  std::array<TaggedStack<Links>, kOrders> free_{};
};

// The one instance.
extern constinit MetaArena meta_arena;
// Owner tags of slabs (allocator/pool.h): looked up at each free of a pooled object, so they lie close together, in huge pages
// where there are many.
extern constinit MetaArena tag_arena;

}  // namespace tenure
