// The state of every page of the process's address space (mapped/page_state.h): a tree of three levels, of which only the used parts exist.
//
//   roots (256 GiB each) -> spans (64 MiB each): one state for all pages, or a leaf -> words of 32 pages
//
// Lock-free and async-signal-safe: one compare-and-swap over a pure transition changes an entry or a word, and the thread that changes it
// knows the change of the number of charged pages. So the sum of all changes always equals the contents of the tree, and a fork child can
// go on with every intermediate state. Leaves never move: 4 KiB for 64 MiB of address space.
//
// Addresses from 2^48 on, which the kernel hands out on request only, are always foreign. So are pages for whose state there is no
// metadata.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/words/bits.h"
#include "mapped/page_state.h"

namespace tenure {

// Pages [first, first + count), by their number.
struct PageRange {
  uint64_t first = 0;
  uint64_t count = 0;

  uint64_t end() const { return first + count; }
  // The length is rounded up to pages. Empty if the range would wrap around.
  static PageRange of(const void* p, size_t bytes) {
    const uint64_t start = reinterpret_cast<uint64_t>(p);
    const uint64_t rounded = round_up(bytes, kPageSize);
    if (rounded < bytes || start + rounded < start) return {start / kPageSize, 0};
    return {start / kPageSize, rounded / kPageSize};
  }
};

class PageStates {
public:
  constexpr PageStates() = default;

  // Changes every word of the range by `transition(word, mask)`, which leaves pages outside the mask unchanged. Returns the growth of the
  // number of charged pages.
  template <typename Transition>
  int64_t change(PageRange range, Transition transition);
  int64_t set(PageRange range, PageState state) {
    return change(
        range, [state](uint64_t word, uint64_t mask) { return page_word::set(word, mask, state); });
  }

  // Calls visit(PageRange, PageState) for runs of pages of one state, in ascending order.
  template <typename Visit>
  void for_each_run(PageRange range, Visit visit) const;
  // Pages of the range in a state for which wanted(state) is true.
  template <typename Wanted>
  uint64_t count(PageRange range, Wanted wanted) const {
    uint64_t sum = 0;
    for_each_run(range,
                 [&](PageRange run, PageState state) { sum += wanted(state) ? run.count : 0; });
    return sum;
  }
  uint64_t charged(PageRange range) const { return count(range, is_charged); }
  static constexpr bool is_charged(PageState state) { return state >= PageState::kKept; }
  static constexpr PageRange everything() { return {0, kPages}; }

private:
  static constexpr unsigned kLeafShift = 14;  // 16,384 pages
  static constexpr unsigned kSpanShift = 12;  // Spans of a root.
  static constexpr unsigned kRootShift = kLeafShift + kSpanShift;
  static constexpr unsigned kRoots = 1024;
  static constexpr uint64_t kLeafPages = uint64_t{1} << kLeafShift;
  static constexpr uint64_t kRootPages = uint64_t{1} << kRootShift;
  static constexpr uint64_t kPages = kRoots * kRootPages;

  struct Leaf {
    std::atomic<uint64_t> words[kLeafPages / page_word::kPages];
  };
  // A state (below 4) of all pages of the span, or the address of the span's leaf. A leaf is never removed.
  struct Root {
    std::atomic<uint64_t> spans[1 << kSpanShift];
  };

  static Leaf* leaf_of(uint64_t span) { return span < 4 ? nullptr : reinterpret_cast<Leaf*>(span); }
  Root* root_at(uint64_t page) const {
    return roots_[page >> kRootShift].load(std::memory_order_acquire);
  }
  Root* make_root(uint64_t page);
  static Leaf* make_leaf(std::atomic<uint64_t>& span, uint64_t seen);

  template <typename Transition>
  int64_t change_span(std::atomic<uint64_t>& span, PageRange range, Transition transition);
  template <typename Transition>
  static int64_t change_leaf(Leaf& leaf, PageRange range, Transition transition);

  // Published once with release; loaded with acquire.
  std::atomic<Root*> roots_[kRoots] = {};
};

// Calls f(part) for the parts of a range between multiples of `pages`.
template <typename F>
void for_each_part(PageRange range, uint64_t pages, F f) {
  for (uint64_t at = range.first; at < range.end();) {
    const uint64_t next = (at / pages + 1) * pages;
    const uint64_t end = next < range.end() ? next : range.end();
    f(PageRange{at, end - at});
    at = end;
  }
}

template <typename Transition>
int64_t PageStates::change_leaf(Leaf& leaf, PageRange range, Transition transition) {
  int64_t grown = 0;
  for_each_part(range, page_word::kPages, [&](PageRange part) {
    std::atomic<uint64_t>& word = leaf.words[part.first % kLeafPages / page_word::kPages];
    const uint64_t mask =
        page_word::mask(part.first % page_word::kPages, static_cast<unsigned>(part.count));
    // Relaxed: a word refers to no other memory, so only the order of its own changes matters.
    uint64_t before = word.load(std::memory_order_relaxed);
    uint64_t after;
    do {
      after = transition(before, mask);
      if (after == before) return;
    } while (!word.compare_exchange_weak(before, after, std::memory_order_relaxed));
    grown += int64_t{page_word::charged(after, mask)} - int64_t{page_word::charged(before, mask)};
  });
  return grown;
}

template <typename Transition>
int64_t PageStates::change_span(std::atomic<uint64_t>& span, PageRange range,
                                Transition transition) {
  // Acquire: pairs with the publication of a leaf in make_leaf().
  uint64_t seen = span.load(std::memory_order_acquire);
  for (;;) {
    if (Leaf* const leaf = leaf_of(seen)) return change_leaf(*leaf, range, transition);
    const uint64_t before = page_word::all(static_cast<PageState>(seen));
    const uint64_t after = transition(before, ~uint64_t{0});
    if (after == before) return 0;
    if (range.count == kLeafPages) {
      if (!span.compare_exchange_weak(seen, after & 3, std::memory_order_acquire)) continue;
      const auto charged = [](uint64_t word) {
        return int64_t{page_word::charged(word, ~uint64_t{0})};
      };
      return (charged(after) - charged(before)) * int64_t{kLeafPages / page_word::kPages};
    }
    if (make_leaf(span, seen) == nullptr) return 0;
    seen = span.load(std::memory_order_acquire);
  }
}

template <typename Transition>
int64_t PageStates::change(PageRange range, Transition transition) {
  if (range.first >= kPages) return 0;
  if (range.end() > kPages) range.count = kPages - range.first;
  int64_t grown = 0;
  for_each_part(range, kRootPages, [&](PageRange in_root) {
    Root* root = root_at(in_root.first);
    if (root == nullptr) {
      if (transition(0, ~uint64_t{0}) == 0) return;
      root = make_root(in_root.first);
      if (root == nullptr) return;
    }
    for_each_part(in_root, kLeafPages, [&](PageRange part) {
      grown += change_span(root->spans[part.first % kRootPages >> kLeafShift], part, transition);
    });
  });
  return grown;
}

template <typename Visit>
void PageStates::for_each_run(PageRange range, Visit visit) const {
  PageRange run{range.first, 0};
  PageState state = PageState::kForeign;
  const auto add = [&](uint64_t pages, PageState next) {
    if (next != state && run.count != 0) {
      visit(run, state);
      run = {run.end(), 0};
    }
    state = next;
    run.count += pages;
  };
  for_each_part(range, kRootPages, [&](PageRange in_root) {
    const Root* const root = in_root.first < kPages ? root_at(in_root.first) : nullptr;
    if (root == nullptr) return add(in_root.count, PageState::kForeign);
    for_each_part(in_root, kLeafPages, [&](PageRange part) {
      const uint64_t span =
          root->spans[part.first % kRootPages >> kLeafShift].load(std::memory_order_acquire);
      const Leaf* const leaf = leaf_of(span);
      if (leaf == nullptr) return add(part.count, static_cast<PageState>(span));
      for_each_part(part, page_word::kPages, [&](PageRange pages) {
        const uint64_t word = leaf->words[pages.first % kLeafPages / page_word::kPages].load(
            std::memory_order_relaxed);
        const auto first = static_cast<unsigned>(pages.first % page_word::kPages);
        if (word == page_word::all(page_word::state(word, first)))
          return add(pages.count, page_word::state(word, first));
        for (unsigned i = 0; i < pages.count; ++i) add(1, page_word::state(word, first + i));
      });
    });
  });
  if (run.count != 0) visit(run, state);
}

}  // namespace tenure
