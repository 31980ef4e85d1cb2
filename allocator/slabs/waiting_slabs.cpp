#include "allocator/slabs/waiting_slabs.h"

#include <errno.h>
#include <sched.h>

#include "accounting/charge/charge.h"
#include "allocator/hooks.h"
#include "allocator/pages/config.h"
#include "allocator/slabs/current.h"
#include "allocator/slabs/family.h"
#include "base/memory/meta_arena.h"
#include "rcu/grace.h"

namespace tenure {

// The head that the flavour carries. The flavour's own words come first.
struct WaitingSlabs::Batch {
  alignas(16) char head[kFlavorHeadBytes];
  WaitingSlabs* owner;
  WaitingSlab* list;
};

size_t WaitingSlab::run_bytes() const { return size_t{granules} * kGranuleSize; }

// `sign` 1 or -1, which wraps around.
void WaitingSlabs::count(const WaitingSlab& slab, uint64_t sign) {
  const uint64_t bytes = slab.run_bytes() * sign;
  bytes_.fetch_add(bytes, std::memory_order_relaxed);
  if (slab.context) charged_.fetch_add(bytes, std::memory_order_relaxed);
  // Release: pairs with finish(), which sees all that was done for the slabs. Sequentially consistent: queued_.
  slabs_.fetch_add(sign, std::memory_order_seq_cst);
}

void WaitingSlabs::add(WaitingSlab& slab) {
  count(slab, 1);
  Stack& stack = slab.context ? paid_ : slab.tagged ? tagged_ : plain_;
  stack.push(reinterpret_cast<uint64_t>(&slab));
}

WaitingSlab* WaitingSlabs::take(bool tagged) {
  auto* const slab = reinterpret_cast<WaitingSlab*>((tagged ? tagged_ : plain_).pop());
  if (slab) count(*slab, uint64_t{0} - 1);
  return slab;
}

WaitingSlab* WaitingSlabs::take_all() {
  WaitingSlab* list = nullptr;
  for (Stack* stack : {&plain_, &tagged_, &paid_}) {
    while (const uint64_t node = stack->pop()) {
      auto* const slab = reinterpret_cast<WaitingSlab*>(node);
      Links::store(node, reinterpret_cast<uint64_t>(list));
      list = slab;
    }
  }
  return list;
}

void WaitingSlabs::release(WaitingSlab& slab) {
  const WaitingSlab copy{{},          slab.context, slab.record_bytes, slab.granule, slab.granules,
                         slab.carved, slab.tagged,  slab.clear};
  meta_arena.release(&slab, copy.record_bytes);
  release_run(copy.granule, copy.granules, copy.clear);
  if (copy.context) uncharge(*copy.context, copy.run_bytes());
  count(copy, uint64_t{0} - 1);
}

void WaitingSlabs::release_all(WaitingSlab* list) {
  size_t bytes = 0;
  while (WaitingSlab* const slab = list) {
    list = reinterpret_cast<WaitingSlab*>(slab->next.load(std::memory_order_relaxed));
    bytes += slab->run_bytes();
    release(*slab);
  }
  if (bytes) pay_for_free_pages(bytes);
}

bool WaitingSlabs::wants_start() const {
  if (slabs_.load(std::memory_order_seq_cst) == 0 || queued_.load(std::memory_order_seq_cst))
    return false;
  return !(plain_.empty() && tagged_.empty() && paid_.empty());
}

// The flavour allocates, and makes its thread when it is first used: as the root.
void WaitingSlabs::queue(Batch& batch) {
  const int saved = errno;
  const ScopedTenant as_root(root_tenant);
  flavor_.call(&batch, end_grace_period);
  errno = saved;
}

void WaitingSlabs::start_slow() {
  auto* const batch = meta_arena.create<Batch>();
  if (batch == nullptr) return;  // The next caller tries again.
  if (queued_.exchange(true, std::memory_order_seq_cst)) return meta_arena.destroy(batch);
  // Pinned: the callback may end, and the family with it, before call_rcu() has returned.
  pin();
  batch->owner = this;
  batch->list = take_all();
  queue(*batch);
  unpin();
}

// On a thread of the flavour.
void WaitingSlabs::end_grace_period(void* head) {
  auto* const batch = static_cast<Batch*>(head);
  WaitingSlabs& owner = *batch->owner;
  owner.pin();
  owner.release_all(batch->list);
  batch->list = owner.take_all();
  if (batch->list != nullptr) {
    owner.queue(*batch);
  } else {
    meta_arena.destroy(batch);
    owner.queued_.store(false, std::memory_order_seq_cst);
    owner.start();
  }
  owner.unpin();
}

// The head that is queued, and the one after it, which has what came meanwhile. Nobody adds: the lists are drained, and nobody uses the
// cache. A barrier in a place where the flavour allows none returns at once; so the rounds have an end.
bool WaitingSlabs::finish() {
  constexpr int kRounds = 1000;
  for (int round = 0; round < kRounds; ++round) {
    // Acquire: pairs with count() and unpin().
    if (slabs_.load(std::memory_order_acquire) == 0 && !queued_.load(std::memory_order_seq_cst) &&
        pins_.load(std::memory_order_acquire) == 0)
      return true;
    start();
    const ScopedTenant as_root(root_tenant);
    flavor_.barrier();
    sched_yield();
  }
  return false;
}

void WaitingSlabs::start_from_helper() {
  const ScopedTenant as_root(root_tenant);
  flavor_.register_thread();
  start();
  flavor_.unregister_thread();
}

void WaitingSlabs::forget_other_threads() {
  if (pins_.load(std::memory_order_relaxed)) pins_.store(0, std::memory_order_relaxed);
  if (queued_.load(std::memory_order_relaxed)) queued_.store(false, std::memory_order_relaxed);
}

// The flavour's functions may wait, for a fork or for memory, so no read section is held around them.
void start_waiting_caches() {
  constexpr int kMostInTurn = 64;
  for (int i = 0; i < kMostInTurn; ++i) {
    WaitingSlabs* found = nullptr;
    {
      grace::ReadSection section;
      for_each_named_family([&found](const CacheFamily& family) {
        if (found || family.waiting == nullptr || !family.waiting->wants_start()) return;
        found = family.waiting;
        found->pin();
      });
    }
    if (found == nullptr) return;
    found->start_from_helper();
    found->unpin();
  }
}

void repair_waiting_slabs_after_fork() {
  grace::ReadSection section;
  for_each_named_family([](const CacheFamily& family) {
    if (family.waiting) family.waiting->forget_other_threads();
  });
}

}  // namespace tenure
