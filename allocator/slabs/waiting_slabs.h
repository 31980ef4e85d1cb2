// Empty slabs of a type-safe cache. Readers of an RCU flavour may still look at objects that were freed, so the slab's memory stays
// memory of the cache until a grace period of that flavour has passed (the kernel's SLAB_TYPESAFE_BY_RCU).
//
//   live --last object freed--> waiting --head queued--> in a batch --grace period over--> page heap
//    ^                             |
//    +---- the cache needs a slab -+
//
// The cache takes its waiting slabs before new memory: for readers nothing changes then. So a cache holds no more than the slabs it had
// at its peak, and those of one batch.
//
// One head at a time is queued with the flavour. The callback of the flavour releases the batch, takes what waits by then, and
// queues itself again, until nothing waits. Two parties may queue the head: callers of the cache's functions, which by contract may call
// call_rcu(), and the helper thread, for slabs that became empty elsewhere.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/words/attributes.h"
#include "base/words/tagged_stack.h"

namespace tenure {

class AccountingContext;
class Cache;
struct CacheFamily;

// The functions of a flavour (include/tenure/readers.h). Constant.
struct ReaderFlavor {
  void (*call)(void* head, void (*function)(void* head));
  void (*barrier)();
  void (*register_thread)();
  void (*unregister_thread)();
};
constexpr size_t kFlavorHeadBytes = 64;

// The record of a slab, allocated with the slab, so that a free needs no memory. The tags of the slab lie behind it. Written by who
// took the slab's last object, before it is pushed.
struct alignas(64) WaitingSlab {
  std::atomic<uint64_t> next;  // In a stack, or in a batch
  AccountingContext* context;  // Pays for the run; nullptr: nobody. The charge keeps it.
  size_t record_bytes;         // Of the record and the tags
  uint32_t granule, granules;
  uint16_t carved;  // Objects that are constructed
  bool tagged;      // Has tags
  bool clear;       // Nobody may read what the run holds.

  size_t run_bytes() const;
  std::atomic<uint32_t>* tags() { return reinterpret_cast<std::atomic<uint32_t>*>(this + 1); }
  static WaitingSlab* of(std::atomic<uint32_t>* tags) {
    return reinterpret_cast<WaitingSlab*>(tags) - 1;
  }
};
static_assert(sizeof(WaitingSlab) == 64);

class WaitingSlabs {
public:
  explicit WaitingSlabs(const ReaderFlavor& flavor) : flavor_(flavor) {}

  // The slab is empty, and its page map entries are cleared. Lock-free, async-signal-safe.
  void add(WaitingSlab& slab);
  // A slab that nobody pays for, with or without tags, or nullptr. The caller owns it, and may add() it again.
  WaitingSlab* take(bool tagged);

  // Queues a head, if slabs wait and none is queued. The caller may call call_rcu() of the flavour.
  void start() {
    if (TENURE_UNLIKELY(wants_start())) start_slow();
  }
  bool wants_start() const;
  TENURE_SLOW void start_slow();
  // Returns when all slabs that waited before the call are free memory; false where that could not be waited for. Waits for grace periods
  // of the flavour.
  bool finish();

  // By the helper, for which the flavour has no registration yet. The family is pinned.
  void start_from_helper();
  // While pinned, finish() does not return. In a read section in which the family was found.
  void pin() { pins_.fetch_add(1, std::memory_order_acq_rel); }
  void unpin() { pins_.fetch_sub(1, std::memory_order_acq_rel); }
  void forget_other_threads();

  // Waiting or in a batch: all, and the part that is charged. Statistics: relaxed.
  uint64_t slabs() const { return slabs_.load(std::memory_order_relaxed); }
  uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  uint64_t charged_bytes() const { return charged_.load(std::memory_order_relaxed); }

private:
  struct Links {
    TENURE_STALE_READ static uint64_t load(uint64_t node) {
      return reinterpret_cast<WaitingSlab*>(node)->next.load(std::memory_order_relaxed);
    }
    static void store(uint64_t node, uint64_t next) {
      reinterpret_cast<WaitingSlab*>(node)->next.store(next, std::memory_order_relaxed);
    }
  };
  using Stack = TaggedStack<Links>;
  struct Batch;

  static void end_grace_period(void* head);
  WaitingSlab* take_all();
  void release_all(WaitingSlab* list);
  void release(WaitingSlab& slab);
  void queue(Batch& batch);
  void count(const WaitingSlab& slab, uint64_t sign);

  const ReaderFlavor flavor_;
  Stack plain_, tagged_;  // Nobody pays for these: the cache may take them.
  Stack paid_;            // Of isolated tenants
  std::atomic<uint64_t> slabs_{0}, bytes_{0}, charged_{0};
  // Whether a head is queued. Sequentially consistent with slabs_: who adds a slab counts it and then looks here, the callback that ends
  // clears the mark and then looks at the count.
  std::atomic<bool> queued_{false};
  std::atomic<uint32_t> pins_{0};
};

// A turn of the helper: queues heads of caches whose empty slabs wait and whose users do not call.
void start_waiting_caches();
// In a fork child: what other threads were doing is over. Heads that the parent queued are liburcu's to hand down.
void repair_waiting_slabs_after_fork();

}  // namespace tenure
