// The state of a span of metadata: one 64-bit word, changed by one compare-and-swap over the pure functions below.
//
// A span has blocks of one size. Released blocks form a list through the blocks. The rest is carved, lowest block first. The scheme is that
// of the allocator's slabs (allocator/slabs/slab_state.h). A span that can give a block is *listed*: it is on its size's partial stack, or
// held by the one thread that took it off. Only that thread takes blocks, so no version tag is needed against a block that left and came
// back. The release of a span's last block makes the span *dead*. A span that is not fully carved never dies, so that a size with a few
// blocks that come and go keeps its span.
//
// The thread whose release made the span dead decides whether the memory goes back to the system. Until then the span is *ending*: no
// thread uses it anew. A thread may take a dead span off the partial stack. It takes the span over, or, if the span is still ending, leaves
// it to the ending thread.
#pragma once

#include <cstdint>
#include <optional>

namespace tenure {

struct SpanState {
  uint16_t head;    // Index + 1 of the first free block; 0: none.
  uint16_t free;    // Length of the free list.
  uint16_t carved;  // Blocks handed out at least once, including those on the free list.
  uint16_t flags;

  static constexpr uint16_t kListed = 1;
  static constexpr uint16_t kDead = 2;
  static constexpr uint16_t kEnding = 4;
  static constexpr uint16_t kDirty =
      8;  // The part that is not carved yet may hold other bytes than zeros.

  friend bool operator==(const SpanState&, const SpanState&) = default;
  constexpr bool listed() const { return flags & kListed; }
  constexpr bool dead() const { return flags & kDead; }
  constexpr bool ending() const { return flags & kEnding; }
  constexpr bool dirty() const { return flags & kDirty; }
};
static_assert(sizeof(SpanState) == 8);

// A new span, its first block handed out. `capacity` is at least 2.
constexpr SpanState new_span(bool dirty) {
  return {0, 0, 1,
          static_cast<uint16_t>(SpanState::kListed | (dirty ? SpanState::kDirty : uint16_t{0}))};
}

// The holder of the span's place takes the first free block, whose successor `rest` becomes the head, or the next block that was never
// used. A span without further blocks leaves the partial stack. nullopt: the span is dead.
constexpr std::optional<SpanState> take_block(SpanState s, uint16_t rest, uint16_t capacity) {
  if (s.dead()) return std::nullopt;
  if (s.free > 0) {
    s.head = rest;
    --s.free;
  } else {
    ++s.carved;
  }
  if (s.free == 0 && s.carved == capacity) s.flags &= static_cast<uint16_t>(~SpanState::kListed);
  return s;
}

// Block number `index` comes back.
constexpr SpanState give_block(SpanState s, uint16_t index, uint16_t capacity) {
  ++s.free;
  if (s.free == capacity) {
    s.head = 0;
    s.flags |= SpanState::kDead | SpanState::kEnding;
  } else {
    s.head = static_cast<uint16_t>(index + 1);
    s.flags |= SpanState::kListed;
  }
  return s;
}

// The ending thread is done with the memory. If the result is not listed, that thread owns the span.
constexpr SpanState end_span(SpanState s, bool dirty) {
  s.flags &= static_cast<uint16_t>(~(SpanState::kEnding | SpanState::kDirty));
  if (dirty) s.flags |= SpanState::kDirty;
  return s;
}

// A thread took a dead span off the partial stack. If the result is not ending, that thread owns the span.
constexpr SpanState drop_span(SpanState s) {
  s.flags &= static_cast<uint16_t>(~SpanState::kListed);
  return s;
}

}  // namespace tenure
