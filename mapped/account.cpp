#include "mapped/account.h"

#include <errno.h>

#include "allocator/upkeep/process_limit.h"
#include "base/memory/mapping_calls.h"
#include "base/system/sandbox.h"

namespace tenure::mapped {

constinit PageStates page_states;

InHand::~InHand() {
  const int64_t bytes = pages_ * static_cast<int64_t>(kPageSize);
  if (bytes < 0) charge_process_anyway(static_cast<uint64_t>(-bytes));
  if (bytes > 0) uncharge_process(static_cast<uint64_t>(bytes));
  if (grown_ != 0) count_mapped(grown_ * static_cast<int64_t>(kPageSize));
}

bool InHand::have(uint64_t pages) {
  const uint64_t in_hand = pages_ > 0 ? static_cast<uint64_t>(pages_) : 0;
  if (pages <= in_hand) return true;
  const int saved = errno;
  if (!charge_process((pages - in_hand) * kPageSize, RequestKind::kLarge)) {
    errno = ENOMEM;
    return false;
  }
  errno = saved;
  pages_ += static_cast<int64_t>(pages - in_hand);
  return true;
}

void TakenStates::take(PageRange range, InHand& account) {
  range_ = range;
  page_states.for_each_run(range, [&](PageRange run, PageState state) {
    if (runs_ < kMost) {
      run_[runs_++] = {run.count, state};
      return;
    }
    Run& last = run_[kMost - 1];
    last.pages += run.count;
    if (state > last.state) last.state = state;
  });
  account.set(range, PageState::kForeign);
}

template <typename F>
void TakenStates::for_first(uint64_t pages, F f) const {
  for (size_t i = 0; i < runs_ && pages > 0; ++i) {
    const uint64_t here = run_[i].pages < pages ? run_[i].pages : pages;
    f(here, run_[i].state);
    pages -= here;
  }
}

void TakenStates::put(uint64_t first, uint64_t pages, InHand& account) const {
  for_first(pages, [&](uint64_t count, PageState state) {
    account.set({first, count}, state);
    first += count;
  });
}

uint64_t TakenStates::charged(uint64_t pages) const {
  uint64_t sum = 0;
  for_first(pages, [&](uint64_t count, PageState state) {
    if (PageStates::is_charged(state)) sum += count;
  });
  return sum;
}

namespace {

constexpr uint64_t kPagesAtATime = 1024;

void release_absent_part(PageRange part, InHand& account) {
  unsigned char resident[kPagesAtATime];
  const int saved = errno;
  const bool known = sys::mincore(reinterpret_cast<void*>(part.first * kPageSize),
                                  part.count * kPageSize, resident) == 0;
  errno = saved;
  if (!known) return;
  for (uint64_t i = 0; i < part.count;) {
    uint64_t end = i;
    while (end < part.count && (resident[end] & 1) == 0) ++end;
    if (end > i) account.change({part.first + i, end - i}, page_word::discarded);
    i = end + 1;
  }
}

}  // namespace

void release_absent(PageRange range, InHand& account) {
  if (is_filtered()) return;  // A filter may not list mincore. Kept pages stay charged then.
  page_states.for_each_run(range, [&](PageRange run, PageState state) {
    if (state != PageState::kKept) return;
    for_each_part(run, kPagesAtATime, [&](PageRange part) { release_absent_part(part, account); });
  });
}

}  // namespace tenure::mapped
