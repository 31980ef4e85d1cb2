// The stock word: bytes that were charged to a tenant in advance and wait on one CPU for its next objects, `capacity << 16 | have`.
//
// Both halves count units of 8 bytes. `have` is charged and not yet any object's; freed objects add to it up to `capacity`. Object sizes are
// multiples of 16, so an operation moves 2 units or more:
//
//   closed    0               take and give refuse: their slow paths charge and uncharge
//   stopped   1, 1<<16, both  a drainer's: take and give refuse likewise (allocator/fronts/stock_drain.h)
//   open      any other
#pragma once

#include <cstddef>
#include <cstdint>

namespace tenure {

struct StockWord {
  uint32_t word = 0;

  static constexpr size_t kUnit = 8;
  // So that `have` and one operation's units together stay below 16 bits.
  static constexpr uint32_t kMostCapacity = 0x8000;
  static constexpr uint32_t kMostUnits = 0x4000;

  static constexpr StockWord of(uint32_t have, uint32_t capacity) {
    return {capacity << 16 | have};
  }
  // Number i < kStops of the words that drainers stop others with.
  static constexpr uint32_t kStops = 3;
  static constexpr StockWord stopped(uint32_t i) { return of((i + 1) & 1, (i + 1) >> 1); }
  static constexpr uint32_t units(size_t bytes) { return static_cast<uint32_t>(bytes / kUnit); }

  constexpr uint32_t have() const { return word & 0xffff; }
  constexpr uint32_t capacity() const { return word >> 16; }
  constexpr bool closed() const { return word == 0; }
  constexpr bool held() const { return have() < 2 && capacity() < 2 && word != 0; }
  constexpr bool open() const { return !closed() && !held(); }
  constexpr size_t bytes() const { return open() ? have() * kUnit : 0; }

  constexpr bool can_take(uint32_t units) const { return have() >= units; }
  constexpr bool can_give(uint32_t units) const { return have() + units <= capacity(); }
  constexpr StockWord taken(uint32_t units) const { return {word - units}; }
  constexpr StockWord given(uint32_t units) const { return {word + units}; }

  friend constexpr bool operator==(const StockWord&, const StockWord&) = default;
};

}  // namespace tenure
