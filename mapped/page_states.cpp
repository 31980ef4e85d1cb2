#include "mapped/page_states.h"

#include "base/memory/meta_arena.h"

namespace tenure {

PageStates::Root* PageStates::make_root(uint64_t page) {
  auto* const made = static_cast<Root*>(meta_arena.allocate(sizeof(Root)));
  if (made == nullptr) return nullptr;
  Root* seen = nullptr;
  // Release: a thread that loads the root sees its zeros. The first thread's root stays.
  if (roots_[page >> kRootShift].compare_exchange_strong(seen, made, std::memory_order_acq_rel))
    return made;
  meta_arena.release(made, sizeof(Root));
  return seen;
}

// nullptr: there is no metadata. Otherwise the span has changed, perhaps by another thread.
PageStates::Leaf* PageStates::make_leaf(std::atomic<uint64_t>& span, uint64_t seen) {
  auto* const made = static_cast<Leaf*>(meta_arena.allocate(sizeof(Leaf)));
  if (made == nullptr) return nullptr;
  const uint64_t word = page_word::all(static_cast<PageState>(seen));
  // Relaxed: published by the exchange, with release.
  for (std::atomic<uint64_t>& each : made->words) each.store(word, std::memory_order_relaxed);
  if (!span.compare_exchange_strong(seen, reinterpret_cast<uint64_t>(made),
                                    std::memory_order_acq_rel))
    meta_arena.release(made, sizeof(Leaf));
  return made;
}

}  // namespace tenure
