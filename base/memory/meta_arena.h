// Memory for the allocator's own structures: never mixed with user memory, never unmapped, so that a stale pointer into it can always be
// read. It reads what was there, what is there now, or zeros.
//
// Blocks of at most 8 KiB are rounded to a power of two and lie in spans of 16 KiB, each for one size (base/words/span_state.h). A span all of
// whose blocks are free serves another size. Larger blocks are runs of spans, of four sizes between two powers of two, recycled by size. Pages
// go back to the system: those of a large block at its release; those of a span when it dies, but for a mebibyte in all, so that what
// comes and goes does not fault each time.
//
//   [entry of each span] [span] [span] ...
#pragma once

#include <array>
#include <atomic>
#include <cstddef>

#include "base/memory/os_memory.h"
#include "base/words/attributes.h"
#include "base/words/bits.h"
#include "base/words/span_state.h"
#include "base/words/tagged_stack.h"

namespace tenure {

class MetaArena {
public:
  static constexpr size_t kSmallest = kCacheLine;
  static constexpr size_t kSpan = 16 * kKiB;
  static constexpr size_t kLargestInSpan = kSpan / 2;

  constexpr MetaArena() = default;

  // Takes over reserved address space at bootstrap.
  void adopt(void* base, size_t bytes, bool mapped = true);
  // Of the address space: os::GrowingRange.
  void give_up_unused() {
    entries_.give_up_unused();
    range_.give_up_unused();
  }

  // Zeroed memory, aligned to 64 bytes (blocks of 4 KiB and more: to a page), or nullptr when the reservation or
  // the system's memory is exhausted. Lock-free, async-signal-safe.
  void* allocate(size_t bytes);
  // Gives a block of allocate(bytes) back. It stays readable.
  void release(void* block, size_t bytes);

  // The bytes that a block of that size takes.
  static size_t block_bytes(size_t bytes) {
    if (bytes == 0) return 0;
    return bytes > kLargestInSpan ? round_up(bytes, kPageSize) : kSmallest << order_of(bytes);
  }
  // Bytes handed out and not released.
  size_t in_use() const { return in_use_.load(std::memory_order_relaxed); }
  // Bytes that were used and have not gone back to the system, with the entries of their spans.
  size_t resident() const {
    return resident_.load(std::memory_order_relaxed) +
           next_.load(std::memory_order_relaxed) * sizeof(Entry);
  }
  size_t committed() const { return range_.committed(); }
  uint64_t base() const { return reinterpret_cast<uint64_t>(entries_.base()); }

  // Whether the bytes lie in memory that is or was a block: then they can be read. For pointers that may be stale.
  bool may_be_block(const void* p, size_t bytes) const {
    const uint64_t offset =
        reinterpret_cast<uint64_t>(p) - reinterpret_cast<uint64_t>(range_.base());
    const uint64_t end = range_.committed();
    return offset < end && bytes <= end - offset && offset % kSmallest == 0;
  }

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
  // Of a span; of the first span of a large block.
  struct Entry {
    std::atomic<SpanState> state;
    std::atomic<uint64_t> next;  // Link of the stack that the span, or the large block, is on.
  };
  // The nodes of stacks of spans are their entries, those of stacks of blocks the blocks themselves.
  struct SpanLinks {
    static uint64_t load(uint64_t entry) {
      return reinterpret_cast<Entry*>(entry)->next.load(std::memory_order_relaxed);
    }
    static void store(uint64_t entry, uint64_t next) {
      reinterpret_cast<Entry*>(entry)->next.store(next, std::memory_order_relaxed);
    }
  };
  struct BlockLinks {
    TENURE_STALE_READ static uint64_t load(uint64_t node) {
      return reinterpret_cast<std::atomic<uint64_t>*>(node)->load(std::memory_order_relaxed);
    }
    static void store(uint64_t node, uint64_t next) {
      reinterpret_cast<std::atomic<uint64_t>*>(node)->store(next, std::memory_order_relaxed);
    }
  };

  // Free blocks of a size that are kept at hand, so that single blocks that come and go take one compare-and-swap each way.
  static constexpr uint32_t kAtHand = 4;
  // Dead spans that keep their pages.
  static constexpr size_t kKept = kMiB;
  static constexpr unsigned kOrders = log2_floor(kLargestInSpan) - log2_floor(kSmallest) + 1;
  static constexpr unsigned kLargeSizes = 4 * (64 - log2_floor(kSpan));

  static unsigned order_of(size_t bytes) {
    return bytes <= kSmallest ? 0 : log2_ceil(bytes) - log2_floor(kSmallest);
  }
  static uint16_t capacity_of(unsigned order) {
    return static_cast<uint16_t>(kSpan / (kSmallest << order));
  }

  Entry* entry(size_t span) const { return reinterpret_cast<Entry*>(entries_.base()) + span; }
  size_t span_of(const Entry* entry) const {
    return static_cast<size_t>(entry - reinterpret_cast<Entry*>(entries_.base()));
  }
  char* memory_of(const Entry* entry) const { return range_.base() + span_of(entry) * kSpan; }
  static Entry* from(uint64_t node) { return reinterpret_cast<Entry*>(node); }
  static uint64_t node(Entry* entry) { return reinterpret_cast<uint64_t>(entry); }

  void count_resident(size_t bytes) { resident_.fetch_add(bytes, std::memory_order_relaxed); }

  // Spans never used.
  Entry* carve(size_t spans);
  Entry* take_span();
  void keep_span(Entry* span, bool dirty);
  void* start_span(unsigned order);
  void* take_from(Entry* span, unsigned order);
  void* take_block(unsigned order);
  void give_block(void* block, unsigned order);
  void end_span(Entry* span);
  void drop_dead(Entry* span);
  void drop_dead_on_top(unsigned order);
  void* allocate_large(size_t bytes);
  void release_large(void* block, size_t bytes);

  os::GrowingRange entries_, range_;
  std::atomic<size_t> next_{0};        // Spans carved so far.
  std::atomic<size_t> in_use_{0};      // Statistics only: relaxed.
  std::atomic<size_t> resident_{0};    // Statistics only: relaxed.
  std::atomic<size_t> kept_spans_{0};  // Dead ones with pages. Bounds them, not exactly: relaxed.
  std::array<TaggedStack<BlockLinks>, kOrders> at_hand_{};
  std::array<TaggedStack<SpanLinks>, kOrders> partial_{};
  TaggedStack<SpanLinks> warm_, cold_;  // Dead spans with pages; without.
  std::array<TaggedStack<SpanLinks>, kLargeSizes> large_{};
};

// The one instance.
extern constinit MetaArena meta_arena;

}  // namespace tenure
