// The state of a slab: one 64-bit word, changed by one compare-and-swap over a pure transition (the anchors of Michael,
// "Scalable lock-free dynamic memory allocation", 2004).
//
// A slab's free list is a chain; the word holds its head as an object index, and its length. Objects from `carved` on were never
// handed out: they are on no list and their pages untouched.
//
// No version tag is needed. A push changes the head to an object that only the pusher holds, and is right whatever happened to the
// list in between as long as the head's value is what its link says. A take takes the whole list. A slab can die
// only while no object of it is held by anybody, so nobody is left to act on a stale word; its descriptor is recycled only
// by whoever holds its place on the partial list.
#pragma once

#include <cstdint>
#include <optional>

namespace tenure {

struct SlabState {
  uint16_t head;    // Index + 1 of the first free object; 0: none.
  uint16_t free;    // Length of the free list.
  uint16_t carved;  // Objects handed out at least once, including those on the free list.
  uint16_t flags;

  // On the partial list, or held by one thread that took it off and will put it back. Cleared when it has
  // nothing to give; the free that gives it something sets it again and puts it on the list.
  static constexpr uint16_t kListed = 1;
  // Its memory was given back. Only the descriptor is left, until its place on the list comes up.
  static constexpr uint16_t kDead = 2;

  friend bool operator==(const SlabState&, const SlabState&) = default;
  constexpr bool listed() const { return flags & kListed; }
  constexpr bool dead() const { return flags & kDead; }
};
static_assert(sizeof(SlabState) == 8);

// After objects came back: without any in use the slab dies, else it has something to give.
constexpr SlabState dead_or_listed(SlabState s) {
  if (s.free == s.carved) {
    s.head = 0;
    s.flags |= SlabState::kDead;
  } else {
    s.flags |= SlabState::kListed;
  }
  return s;
}

// `count` objects come back; the first of them has index `head`. When that makes every carved object free, the slab dies: the caller
// then owns its memory.
constexpr SlabState give_back(SlabState s, uint16_t head, uint16_t count) {
  s.free = static_cast<uint16_t>(s.free + count);
  s.head = static_cast<uint16_t>(head + 1);
  return dead_or_listed(s);
}

// The holder of the slab's place on the partial list takes all free objects. Without any left to carve either, the slab leaves the
// list.
constexpr std::optional<SlabState> take_all(SlabState s, uint16_t capacity) {
  if (s.dead() || s.free == 0) return std::nullopt;
  s.free = 0;
  s.head = 0;
  if (s.carved == capacity) s.flags &= static_cast<uint16_t>(~SlabState::kListed);
  return s;
}

// The same holder takes up to `count` objects that were never used.
constexpr std::optional<SlabState> carve(SlabState s, uint16_t count, uint16_t capacity) {
  if (s.dead() || s.carved == capacity) return std::nullopt;
  const uint16_t left = static_cast<uint16_t>(capacity - s.carved);
  s.carved = static_cast<uint16_t>(s.carved + (count < left ? count : left));
  if (s.carved == capacity && s.free == 0) s.flags &= static_cast<uint16_t>(~SlabState::kListed);
  return s;
}

// Objects from `carved` on, which only the caller holds, become such that were never used. When that leaves only free ones, the
// slab dies.
constexpr SlabState uncarve(SlabState s, uint16_t carved) {
  s.carved = carved;
  return dead_or_listed(s);
}

}  // namespace tenure
