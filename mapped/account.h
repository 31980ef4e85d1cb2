// The changes of one call in the map of pages, and the charge for them.
#pragma once

#include <cstddef>
#include <cstdint>

#include "mapped/page_states.h"

namespace tenure::mapped {

extern constinit PageStates page_states;

// Pages that are charged to the process and not in the map yet. The destructor gives the remaining pages back.
class InHand {
public:
  InHand() = default;
  ~InHand();
  InHand(const InHand&) = delete;
  InHand& operator=(const InHand&) = delete;

  // Charges until at least `pages` are in hand. False: the limit refuses; errno is ENOMEM.
  bool have(uint64_t pages);
  // A change has raised or lowered the number of charged pages in the map.
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

// The states of a range, which a call takes out of the map and puts back there or elsewhere. A range with many kinds of memory is stored in
// a simplified form: its end counts as writable if one page there was writable, and the account follows.
class TakenStates {
public:
  void take(PageRange range, InHand& account);
  // At pages from `first` on, at most `pages` of them.
  void put(uint64_t first, uint64_t pages, InHand& account) const;
  void put_back(InHand& account) const { put(range_.first, range_.count, account); }
  // The charged pages among the first `pages`.
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

// Kept pages of the range that are not resident become reserved again.
void release_absent(PageRange range, InHand& account);

}  // namespace tenure::mapped
