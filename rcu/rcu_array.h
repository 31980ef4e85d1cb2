// A growable array of pointers indexed by small ids (tenants'), read without locks: a directory of
// leaves of 64 slots.
//
// A directory entry is one word {leaf, live, frozen}: the leaf's address, the number of its slots that are taken or being taken, and
// whether the directory has been superseded. Every change of an entry is one CAS over a pure transition.
//   - A leaf is allocated when the first id in its range is published and freed, a grace period
//     later, when the last is cleared: memory follows live ids. Leaves never move.
//   - Growing allocates a longer directory, freezes every entry of the old one (an atomic OR),
//     copies the entries and publishes the copy. A frozen entry cannot change, so no leaf is lost
//     between copy and publication. A thread that meets one helps by growing, too: the copies are equal,
//     one is published, the other threads free theirs. The old directory is freed after a grace period.
// All operations are lock-free and async-signal-safe. The array owns no object that its pointers refer to.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "rcu/grace.h"

namespace tenure {

// The directory's word. Pure values; unit-tested without threads.
struct LeafEntry {
  uint64_t word = 0;

  // Metadata lies below 2^48 and is aligned to a cache line.
  static constexpr uint64_t kFrozen = 1;
  static constexpr unsigned kLiveShift = 48;
  static constexpr uint64_t kPointerMask = ((1ULL << kLiveShift) - 1) & ~63ULL;

  static LeafEntry of(const void* leaf, uint32_t live) {
    return {reinterpret_cast<uint64_t>(leaf) | static_cast<uint64_t>(live) << kLiveShift};
  }
  bool frozen() const { return (word & kFrozen) != 0; }
  uint32_t live() const { return static_cast<uint32_t>(word >> kLiveShift); }
  void* leaf() const { return reinterpret_cast<void*>(word & kPointerMask); }
  LeafEntry thawed() const { return {word & ~kFrozen}; }
  LeafEntry with_live(uint32_t live) const { return of(leaf(), live); }
};

// The array of void*; use RcuArray<T>.
class RcuArrayCore {
public:
  static constexpr uint32_t kLeafSlots = 64;

  constexpr RcuArrayCore() = default;
  RcuArrayCore(const RcuArrayCore&) = delete;
  RcuArrayCore& operator=(const RcuArrayCore&) = delete;

  void* load(uint32_t id) const;
  void* publish(uint32_t id, void* pointer);
  bool clear_if(uint32_t id, void* pointer);
  uint32_t limit() const;
  size_t bytes() const;
  bool validate() const;
  void destroy();

private:
  struct Leaf {
    std::atomic<void*> slots[kLeafSlots];
  };
  struct Directory;

  Leaf* find_leaf(uint32_t id) const;
  bool grow(Directory* old, uint32_t leaves);
  Leaf* reserve(uint32_t id);
  void unreserve(uint32_t id);

  // Replaced by CAS (grow), read in read sections. nullptr until the first publish.
  std::atomic<Directory*> directory_{nullptr};
};

template <typename T>
class RcuArray {
public:
  constexpr RcuArray() = default;

  // The pointer published for the id, or nullptr, which is a legal state at any time. Called in a read section. The section also protects
  // the object, if its owner defers the release after clear_if().
  T* load(uint32_t id) const { return static_cast<T*>(core_.load(id)); }

  // Publishes `pointer` (not null) if the slot is empty. Returns the pointer in the slot afterwards: `pointer`, or the one that was there
  // first (a read section around the call keeps it valid); nullptr if metadata is exhausted.
  T* publish(uint32_t id, T* pointer) { return static_cast<T*>(core_.publish(id, pointer)); }

  // Empties the slot if it still holds `pointer`. Returns whether it did. Readers may see the pointer for a grace period.
  bool clear_if(uint32_t id, T* pointer) { return core_.clear_if(id, pointer); }

  // Calls fn(id, pointer) for every slot taken, in ascending order, until it returns false. One
  // read section.
  template <typename Fn>
  void for_each(Fn fn) const {
    grace::ReadSection section;
    const uint32_t end = core_.limit();
    for (uint32_t id = 0; id < end; ++id) {
      if (T* pointer = load(id)) {
        if (!fn(id, pointer)) return;
      }
    }
  }

  // All slots from here on are empty at some moment. In a read section.
  uint32_t limit() const { return core_.limit(); }
  // Metadata the array holds at some moment.
  size_t bytes() const { return core_.bytes(); }
  // Whether counts and slots agree. No operation may be under way. An operation that a fork has cut off may have left frozen entries, which
  // the next change thaws.
  bool validate() const { return core_.validate(); }
  // Frees leaves and directory at once. The caller ensures that no thread can reach the array any more (after a grace period).
  void destroy() { core_.destroy(); }

private:
  RcuArrayCore core_;
};

}  // namespace tenure
