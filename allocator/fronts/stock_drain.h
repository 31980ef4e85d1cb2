// Takes stocks back from all CPUs, many for one fence.
//
// 1. Each word of another CPU is replaced by a stopped one, which refuses take and give. A section that loaded the word before may still
//    commit over it.
// 2. One fence for many words: every such section has committed or was aborted.
// 3. Where the stopped word still stands, the bytes that it replaced are the drainer's, and the word is closed. Elsewhere a section has
//    committed, and the word is tried again.
// Drainers know their stopped words by a number; words that another drainer has stopped are that drainer's.
// The words of the CPU that the drainer runs on, and those that change by compare-and-swap only, need no fence.
#pragma once

#include <cstddef>
#include <cstdint>

#include "allocator/fronts/charge_stock.h"

namespace tenure {

class StockDrain {
public:
  // kFilled: words that have bytes. kOpen: all that are open, so that none takes bytes any more.
  enum Which : uint8_t { kFilled, kOpen };

  explicit StockDrain(Which which);
  ~StockDrain();
  StockDrain(const StockDrain&) = delete;
  StockDrain& operator=(const StockDrain&) = delete;

  // The stock of one context; no context twice: a word that is stopped a second time, after a section has committed over the first stop, would
  // look untouched to the first. The context is kept by the caller, by a read section around both calls, or by the bytes themselves.
  void add(OwnerTag tag);
  // Returns the bytes that were uncharged.
  size_t finish();
  // Whether no word was out of reach: another drainer's, or behind a fence that is refused. After finish().
  bool reached_all() const { return !gave_up_ && !left_any_ && count_ == 0; }

private:
  static constexpr uint32_t kMost = 128;
  struct Stopped {
    OwnerTag tag;
    uint32_t area;
    StockWord before;
  };

  bool wants(StockWord word) const { return which_ == kOpen ? word.open() : word.bytes() != 0; }
  void take_at_once(uint32_t area, OwnerTag tag);
  bool prepare();
  // again: after a section has committed over this drainer's stop.
  void stop(uint32_t area, OwnerTag tag, bool again);
  void settle();
  void uncharge_taken(OwnerTag tag, StockWord word);

  const Which which_;
  int number_ = -1;        // Of this drainer's stopped words; -1: none yet.
  bool gave_up_ = false;   // Others' words are out of reach.
  bool left_any_ = false;  // Another drainer has stopped a word.
  uint32_t count_ = 0;
  size_t freed_ = 0;
  Stopped stopped_[kMost];
};

// In a fork child: drainers other than this thread are gone.
void release_stops_after_fork();

}  // namespace tenure
