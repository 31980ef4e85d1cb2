// The changes of one call in the map of pages, and the charge for them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "mapped/page_states.h"

namespace tenure::mapped {

extern constinit PageStates page_states;

// Pages that are charged to the process and not in the map. At its end what is left is given back.
class InHand {
public:
  InHand() = default;
  ~InHand();
  InHand(const InHand&) = delete;
  InHand& operator=(const InHand&) = delete;

  // Has at least `pages` in hand. False: the limit refuses; errno is ENOMEM.
  bool have(uint64_t pages);
  // The map's charged pages have become more, or fewer, by a change.
  void note(int64_t grown) {
    pages_ -= grown;
    grown_ += grown;
  }
  void set(PageRange range, PageState state) { note(page_states.set(range, state)); }
  template <typename Transition>
  void change(PageRange range, Transition transition) {
    note(page_states.change(range, transition));
  }

private:
  int64_t pages_ = 0;
  int64_t grown_ = 0;
};

// The states of a range that a call takes out of the map and puts back, or elsewhere. A range of many kinds of memory is kept simpler than it
// was: then its end counts as writable if a page there was, and the account follows.
class TakenStates {
public:
  void take(PageRange range, InHand& account);
  // At pages from `first` on, at most `pages` of them.
  void put(uint64_t first, uint64_t pages, InHand& account) const;
  void put_back(InHand& account) const { put(range_.first, range_.count, account); }
  // Charged ones of the first `pages`.
  uint64_t charged(uint64_t pages) const;
  PageState last() const { return runs_ == 0 ? PageState::kForeign : run_[runs_ - 1].state; }

private:
  static constexpr size_t kMost = 16;
  struct Run {
    uint64_t pages;
    PageState state;
  };
  template <typename F>
  void for_first(uint64_t pages, F f) const;

  PageRange range_;
  size_t runs_ = 0;
  Run run_[kMost];
};

// Of the range's pages that are kept, those that are not resident are reserved again.
void release_absent(PageRange range, InHand& account);

}  // namespace tenure::mapped
