// The state of a span of metadata: one 64-bit word, changed by one compare-and-swap over the pure functions below.
//
// A span has blocks of one size. Blocks that were released form a list through the blocks; the rest is carved, lowest first. The scheme is
// that of the allocator's slabs (allocator/slabs/slab_state.h): a span that can give a block is *listed*, that is on its size's partial stack or in
// the hands of the one thread that took it off; only that thread takes blocks, so no version is needed against a block that left and came
// back. The release that brings the last block of a span home makes the span *dead*. A span of which not everything was carved never
// dies, so that a size of which a few blocks come and go keeps its span.
//
// The thread whose release made the span dead gives its memory back to the system, or not, and until then the span is *ending*: nobody uses
// it anew. A listed span is found dead on the partial stack; the thread that took it off takes it over, or, where the span is still
// ending, leaves it to the ending thread.
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
      8;  // The part yet to be carved may hold other bytes than zeros.

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

// The holder of the span's place takes the first free block, behind which `rest` is the head, or the next one never used. Without any
// left the span leaves the partial stack. nullopt: the span is dead.
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

// The ending thread is done with the memory. Where the result is not listed, the span is that thread's.
constexpr SpanState end_span(SpanState s, bool dirty) {
  s.flags &= static_cast<uint16_t>(~(SpanState::kEnding | SpanState::kDirty));
  if (dirty) s.flags |= SpanState::kDirty;
  return s;
}

// A dead span was taken off the partial stack. Where the result is not ending, the span is that thread's.
constexpr SpanState drop_span(SpanState s) {
  s.flags &= static_cast<uint16_t>(~SpanState::kListed);
  return s;
}

}  // namespace tenure
