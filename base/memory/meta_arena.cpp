#include "base/memory/meta_arena.h"

#include <new>

#include "base/words/atomic_update.h"

namespace tenure {

constinit MetaArena meta_arena;

namespace {

// Sizes of large blocks: four between two powers of two.
struct LargeSize {
  unsigned index;
  size_t bytes;
};
LargeSize large_size(size_t bytes, size_t span) {
  const unsigned log = log2_floor(bytes);
  const size_t step = (size_t{1} << log) / 4 > span ? (size_t{1} << log) / 4 : span;
  const size_t rounded = round_up(bytes, step);
  const unsigned top = log2_floor(rounded);
  const unsigned quarter = static_cast<unsigned>((rounded >> (top - 2)) & 3);
  return {4 * (top - log2_floor(span)) + quarter, rounded};
}

}  // namespace

// Several threads may do this at once at bootstrap, with the same values.
void MetaArena::adopt(void* base, size_t bytes, bool mapped) {
  const size_t table = round_up(bytes / kSpan * sizeof(Entry), kSpan);
  entries_.adopt(base, table, kPageSize, mapped);
  range_.adopt(static_cast<char*>(base) + table, bytes - table, 64 * kKiB, mapped);
}

MetaArena::Entry* MetaArena::carve(size_t spans) {
  for (;;) {
    size_t first = next_.load(std::memory_order_acquire);
    const size_t end = first + spans;
    // Memory is committed first and claimed afterwards, so that a refusal leaves no hole.
    if (end < first || !entries_.ensure(end * sizeof(Entry)) || !range_.ensure(end * kSpan))
      return nullptr;
    if (next_.compare_exchange_weak(first, end, std::memory_order_acq_rel)) return entry(first);
  }
}

// A span that no thread uses. Its state says whether it is dirty.
MetaArena::Entry* MetaArena::take_span() {
  if (const uint64_t warm = warm_.pop()) {
    kept_spans_.fetch_sub(1, std::memory_order_relaxed);
    return from(warm);
  }
  const uint64_t cold = cold_.pop();
  return cold ? from(cold) : carve(1);
}

void MetaArena::keep_span(Entry* span, bool dirty) { (dirty ? warm_ : cold_).push(node(span)); }

void* MetaArena::start_span(unsigned order) {
  Entry* const span = take_span();
  if (span == nullptr) return nullptr;
  const bool dirty = span->state.load(std::memory_order_relaxed).dirty();
  // Release: pairs with the acquire of the thread that takes the span off the partial stack.
  span->state.store(new_span(dirty), std::memory_order_release);
  char* const block = memory_of(span);
  if (dirty) {
    __builtin_memset(block, 0, kSmallest << order);
  } else {
    count_resident(kSmallest << order);
  }
  partial_[order].push(node(span));
  return block;
}

// A dead span that this thread took off the partial stack.
void MetaArena::drop_dead(Entry* span) {
  const auto dropped = atomic_update(
      span->state, [](SpanState state) { return std::optional(tenure::drop_span(state)); });
  if (!dropped->after.ending()) keep_span(span, dropped->after.dirty());
}

// Dead spans on top of the partial stack serve other sizes.
void MetaArena::drop_dead_on_top(unsigned order) {
  while (const uint64_t top = partial_[order].pop()) {
    Entry* const span = from(top);
    if (!span->state.load(std::memory_order_acquire).dead()) {
      partial_[order].push(top);
      return;
    }
    drop_dead(span);
  }
}

// A block of a span whose place this thread holds. nullptr: the span is dead.
void* MetaArena::take_from(Entry* span, unsigned order) {
  const size_t size = kSmallest << order;
  char* const memory = memory_of(span);
  // A dead span has no blocks. A link that was read too late may have any value. In that case the exchange fails.
  const auto rest_of = [&](SpanState state) {
    if (state.head == 0) return uint16_t{0};
    return static_cast<uint16_t>(
        BlockLinks::load(reinterpret_cast<uint64_t>(memory + (state.head - size_t{1}) * size)));
  };
  const auto updated = atomic_update(span->state, [&](SpanState state) {
    return tenure::take_block(state, rest_of(state), capacity_of(order));
  });
  if (!updated) {
    drop_dead(span);
    return nullptr;
  }
  const bool carved = updated->before.free == 0;
  char* const block = memory + (carved ? updated->before.carved : updated->before.head - 1u) * size;
  if (!carved || updated->before.dirty()) {
    __builtin_memset(block, 0, size);
  } else {
    count_resident(size);
  }
  // The span's memory stays, because this thread holds one of its blocks.
  if (updated->after.listed()) partial_[order].push(node(span));
  return block;
}

void* MetaArena::take_block(unsigned order) {
  if (const uint64_t block = at_hand_[order].pop()) {
    return __builtin_memset(reinterpret_cast<void*>(block), 0, kSmallest << order);
  }
  while (const uint64_t partial = partial_[order].pop()) {
    if (void* block = take_from(from(partial), order)) return block;
  }
  return start_span(order);
}

// The span is dead, and this thread made it so.
void MetaArena::end_span(Entry* span) {
  const bool keep = kept_spans_.fetch_add(1, std::memory_order_relaxed) < kKept / kSpan ||
                    !os::purge(memory_of(span), kSpan);
  if (!keep) {
    kept_spans_.fetch_sub(1, std::memory_order_relaxed);
    resident_.fetch_sub(kSpan, std::memory_order_relaxed);
  }
  const auto ended = atomic_update(span->state, [keep](SpanState state) {
    return std::optional(tenure::end_span(state, keep));
  });
  if (!ended->after.listed()) keep_span(span, keep);
}

void MetaArena::give_block(void* block, unsigned order) {
  if (at_hand_[order].size() < kAtHand) {
    return at_hand_[order].push(reinterpret_cast<uint64_t>(block));
  }
  const size_t offset = static_cast<size_t>(static_cast<char*>(block) - range_.base());
  Entry* const span = entry(offset / kSpan);
  const auto index = static_cast<uint16_t>(offset % kSpan / (kSmallest << order));
  const auto updated = atomic_update(span->state, [&](SpanState state) {
    BlockLinks::store(reinterpret_cast<uint64_t>(block), state.head);
    return std::optional(tenure::give_block(state, index, capacity_of(order)));
  });
  if (updated->after.dead()) {
    end_span(span);
    drop_dead_on_top(order);
    return;
  }
  if (!updated->before.listed()) partial_[order].push(node(span));
}

void* MetaArena::allocate_large(size_t bytes) {
  const LargeSize size = large_size(bytes, kSpan);
  const uint64_t recycled = large_[size.index].pop();
  Entry* const first = recycled ? from(recycled) : carve(size.bytes / kSpan);
  if (first == nullptr) return nullptr;
  const size_t used = round_up(bytes, kPageSize);
  char* const block = memory_of(first);
  if (first->state.load(std::memory_order_relaxed).dirty()) __builtin_memset(block, 0, used);
  in_use_.fetch_add(used, std::memory_order_relaxed);
  count_resident(used);
  return block;
}

void MetaArena::release_large(void* block, size_t bytes) {
  const LargeSize size = large_size(bytes, kSpan);
  const size_t used = round_up(bytes, kPageSize);
  Entry* const first =
      entry(static_cast<size_t>(static_cast<char*>(block) - range_.base()) / kSpan);
  // If the system refuses, the pages are cleared at the next use.
  const bool purged = os::purge(block, used);
  first->state.store({0, 0, 0, purged ? uint16_t{0} : SpanState::kDirty},
                     std::memory_order_relaxed);
  in_use_.fetch_sub(used, std::memory_order_relaxed);
  resident_.fetch_sub(used, std::memory_order_relaxed);
  large_[size.index].push(node(first));
}

void* MetaArena::allocate(size_t bytes) {
  if (bytes > SIZE_MAX / 2) return nullptr;
  if (bytes > kLargestInSpan) return allocate_large(bytes);
  const unsigned order = order_of(bytes);
  void* const block = take_block(order);
  if (block) in_use_.fetch_add(kSmallest << order, std::memory_order_relaxed);
  return block;
}

void MetaArena::release(void* block, size_t bytes) {
  if (block == nullptr) return;
  if (bytes > kLargestInSpan) return release_large(block, bytes);
  const unsigned order = order_of(bytes);
  in_use_.fetch_sub(kSmallest << order, std::memory_order_relaxed);
  give_block(block, order);
}

}  // namespace tenure
