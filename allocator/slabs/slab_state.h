// The state of a slab: one 64-bit word, changed by one compare-and-swap over a pure transition (the anchors of Michael,
// "Scalable lock-free dynamic memory allocation", 2004).
//
// A slab's free list is a chain; the word holds its head as an object index, and its length. Objects from `carved` on were never
// handed out: they are on no list and their pages untouched.
//
// Holes are free objects that are on no list, because some of their memory was returned to the system (hole_map.h has which). `free`
// counts them, as they came back like those on the list. They leave the state together, and with them the slab's map of pages: whoever
// has taken it (kMapTaken) is alone with it until it gives it back.
//
// No version tag is needed. A push changes the head to an object that only the pusher holds, and is right whatever happened to the
// list in between as long as the head's value is what its link says. A take takes the whole list. A slab can die
// only while no object of it is held by anybody, so nobody is left to act on a stale word; its descriptor is recycled only
// by whoever holds its place on a list of the cache.
#pragma once

#include <cstdint>
#include <optional>

namespace tenure {

struct SlabState {
  uint16_t head;    // Index + 1 of the first free object; 0: none.
  uint16_t free;    // Objects that came back: those on the free list, and the holes.
  uint16_t carved;  // Objects handed out at least once, including those that came back.
  uint16_t bits;    // Flags, and the number of holes.

  // On a list of the cache (partial or pierced), or held by one thread that took it off and will put it back. Cleared when a taker
  // finds or leaves nothing to give; whoever gives it something sets it again and puts it on a list.
  static constexpr uint16_t kListed = 1;
  // Its memory was given back. Only the descriptor is left, until its place on the list comes up.
  static constexpr uint16_t kDead = 2;
  // Somebody has the map of pages.
  static constexpr uint16_t kMapTaken = 4;
  static constexpr uint16_t kHole = 8;  // One of them.
  static constexpr uint16_t kMostHoles = UINT16_MAX / kHole;

  friend bool operator==(const SlabState&, const SlabState&) = default;
  constexpr bool listed() const { return bits & kListed; }
  constexpr bool dead() const { return bits & kDead; }
  constexpr bool map_taken() const { return bits & kMapTaken; }
  constexpr uint16_t holes() const { return bits / kHole; }
  // Length of the free list.
  constexpr uint16_t chained() const { return static_cast<uint16_t>(free - holes()); }
};
static_assert(sizeof(SlabState) == 8);

// Whether what it can give takes a page fault or more.
constexpr bool gives_holes_only(SlabState s) {
  return !s.dead() && s.holes() != 0 && s.chained() == 0;
}

constexpr SlabState unlisted(SlabState s) {
  s.bits &= static_cast<uint16_t>(~SlabState::kListed);
  return s;
}
constexpr SlabState without_holes(SlabState s) {
  s.bits %= SlabState::kHole;
  return s;
}
constexpr SlabState without_map(SlabState s) {
  s = without_holes(s);
  s.bits |= SlabState::kMapTaken;
  return s;
}

// The owner of the map gives the map back, with no holes in it.
constexpr SlabState give_map_back(SlabState s) {
  s.bits &= static_cast<uint16_t>(~SlabState::kMapTaken);
  return s;
}

// After objects came back: without any in use the slab dies, else it has something to give.
constexpr SlabState dead_or_listed(SlabState s) {
  if (s.free == s.carved) {
    s = without_holes(s);
    s.head = 0;
    s.bits |= SlabState::kDead;
  } else {
    s.bits |= SlabState::kListed;
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

// The holder of the slab's place takes the whole free list. Without any holes or objects left to carve either, the slab leaves the list.
constexpr std::optional<SlabState> take_all(SlabState s, uint16_t capacity) {
  if (s.dead() || s.chained() == 0) return std::nullopt;
  s.free = s.holes();
  s.head = 0;
  return s.free == 0 && s.carved == capacity ? unlisted(s) : s;
}

// The same holder, where there is no free list, takes the holes and the map.
constexpr std::optional<SlabState> take_holes(SlabState s, uint16_t capacity) {
  if (s.dead() || s.holes() == 0 || s.chained() != 0) return std::nullopt;
  s.free = 0;
  s = without_map(s);
  return s.carved == capacity ? unlisted(s) : s;
}

// The same holder takes up to `count` objects that were never used.
constexpr std::optional<SlabState> carve(SlabState s, uint16_t count, uint16_t capacity) {
  if (s.dead() || s.carved == capacity) return std::nullopt;
  const uint16_t left = static_cast<uint16_t>(capacity - s.carved);
  s.carved = static_cast<uint16_t>(s.carved + (count < left ? count : left));
  return s.carved == capacity && s.free == 0 ? unlisted(s) : s;
}

// The same holder finds nothing, because a collector has it, and gives the place up.
constexpr std::optional<SlabState> leave_list(SlabState s) {
  if (s.dead()) return std::nullopt;
  return unlisted(s);
}

// All that the same holder may do, in the order of its cost. nullopt: the slab is dead.
constexpr std::optional<SlabState> take(SlabState s, uint16_t count, uint16_t capacity) {
  std::optional<SlabState> taken = take_all(s, capacity);
  if (!taken) taken = take_holes(s, capacity);
  if (!taken) taken = carve(s, count, capacity);
  return taken ? taken : leave_list(s);
}

// Objects from `carved` on, which only the caller holds, become such that were never used. When that leaves only free ones, the
// slab dies.
constexpr SlabState uncarve(SlabState s, uint16_t carved) {
  s.carved = carved;
  return dead_or_listed(s);
}

// A collector, which needs no place, takes all that is free, the holes and the map with it. The slab stays where it is.
constexpr std::optional<SlabState> collect(SlabState s) {
  if (s.dead() || s.free == 0 || s.map_taken()) return std::nullopt;
  s.free = 0;
  s.head = 0;
  return without_map(s);
}

// The owner of the map gives the map back with `holes`, and with `count` objects, of which the first has index `head`. The slab may die.
constexpr SlabState give_back_with_holes(SlabState s, uint16_t head, uint16_t count,
                                         uint16_t holes) {
  s.free = static_cast<uint16_t>(s.free + count + holes);
  if (count != 0) s.head = static_cast<uint16_t>(head + 1);
  s.bits = static_cast<uint16_t>(s.bits + holes * SlabState::kHole);
  return dead_or_listed(give_map_back(s));
}

}  // namespace tenure
