// From an address to what lies there: one 8-byte entry for each granule of the arena.
#pragma once

#include <atomic>
#include <cstdint>

#include "allocator/pages/config.h"
#include "base/memory/os_memory.h"

namespace tenure {

struct GranuleEntry {
  // Offset in every CPU's area of the slot of the slab's class and owner. 0 is the closed slot: free goes its slow way
  // (large objects, free memory, slabs whose frees need more than a push). Read inside the rseq section of free; written with atomic stores.
  uint32_t front;
  // Number of the descriptor; 0: nothing starts here. All granules of a slab name it, of a large object only the first, so that a
  // pointer into its middle is seen to be wrong.
  std::atomic<uint32_t> descriptor;
};
static_assert(sizeof(GranuleEntry) == 8);

// The place of the tags of a granule's objects, and the objects' class. Without this word the path of pooled objects would read the slab's
// descriptor, which is one cache line more. `address of the tags | number of the class`, counted from 1. 0: the descriptor has the facts.
class TagPlace {
  static constexpr uint64_t kClassMask = kCacheLine - 1;

public:
  constexpr TagPlace() = default;
  // Tags lie at a border of cache lines.
  TagPlace(const void* tags, uint32_t class_number)
      : word_(reinterpret_cast<uint64_t>(tags) | class_number) {}

  explicit operator bool() const { return word_ != 0; }
  uint64_t tags() const { return word_ & ~kClassMask; }
  friend constexpr bool operator==(const TagPlace&, const TagPlace&) = default;
  uint32_t class_number() const { return static_cast<uint32_t>(word_ & kClassMask); }

private:
  uint64_t word_ = 0;
};

class PageMap {
  static constexpr size_t kTableStep = 64 * kKiB;
  static constexpr size_t kBitmapBytes = kGranuleSize / kMinAlignment / 8;

public:
  // Bytes of marks for a chunk.
  static constexpr size_t kChunkMarks = kChunkGranules * kBitmapBytes;

  constexpr PageMap() = default;
  void adopt(void* base, size_t bytes, bool mapped = true) {
    range_.adopt(base, bytes, kTableStep, mapped);
  }
  // At the hardened level a bit for each kMinAlignment bytes marks what is allocated.
  void adopt_bitmaps(void* base, size_t bytes, bool mapped = true) {
    bitmap_range_.adopt(base, bytes, kTableStep, mapped);
  }
  void adopt_tag_places(void* base, size_t bytes, bool mapped = true) {
    tag_range_.adopt(base, bytes, kTableStep, mapped);
  }
  void give_up_unused() {
    range_.give_up_unused();
    tag_range_.give_up_unused();
    bitmap_range_.give_up_unused();
  }
  bool ensure(size_t granules) {
    return range_.ensure(granules * sizeof(GranuleEntry)) &&
           (tag_range_.base() == nullptr || tag_range_.ensure(granules * sizeof(TagPlace))) &&
           (bitmap_range_.base() == nullptr || bitmap_range_.ensure(granules * kBitmapBytes));
  }
  GranuleEntry* entries() const { return reinterpret_cast<GranuleEntry*>(range_.base()); }
  GranuleEntry& at(size_t granule) const { return entries()[granule]; }
  TagPlace* tag_places() const { return reinterpret_cast<TagPlace*>(tag_range_.base()); }
  // As set().
  void set_tag_place(uint32_t granule, TagPlace place) {
    std::atomic_ref(tag_places()[granule]).store(place, std::memory_order_release);
  }

  // Hardened level: marks the object at `offset` in the arena as allocated or free; returns whether it was allocated before.
  bool mark(uint64_t offset, bool allocated) {
    auto* words = reinterpret_cast<std::atomic<uint64_t>*>(bitmap_range_.base());
    const uint64_t unit = offset / kMinAlignment;
    std::atomic<uint64_t>& word = words[unit / 64];
    const uint64_t bit = 1ULL << (unit % 64);
    // Relaxed: a mark is about one object only, whose hand-over orders it.
    const uint64_t before = allocated ? word.fetch_or(bit, std::memory_order_relaxed)
                                      : word.fetch_and(~bit, std::memory_order_relaxed);
    return before & bit;
  }

  bool has_marks() const { return bitmap_range_.base() != nullptr; }
  // The marks of granules in which nothing is allocated are all zero: they need no memory.
  void purge_bitmap(uint32_t granule, uint32_t granules) {
    if (!has_marks()) return;
    os::purge(bitmap_range_.base() + granule * kBitmapBytes, granules * kBitmapBytes);
  }

  // Entries of a run are written before its first object is handed out and cleared after its last one came back, by
  // the run's one owner. Release/relaxed: whoever looks an object up got its address from the allocation.
  void set(uint32_t granule, uint32_t granules, uint32_t front, uint32_t descriptor) {
    for (uint32_t i = 0; i < granules; ++i) {
      at(granule + i).descriptor.store(descriptor, std::memory_order_relaxed);
      std::atomic_ref(at(granule + i).front).store(front, std::memory_order_release);
    }
  }

private:
  os::GrowingRange range_;
  os::GrowingRange tag_range_;
  os::GrowingRange bitmap_range_;
};

}  // namespace tenure
