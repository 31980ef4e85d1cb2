#include "allocator/control/census.h"

#include "accounting/tenants/context_table.h"
#include "allocator/caches/tenant_heap.h"
#include "allocator/control/statistics.h"
#include "allocator/fronts/depots.h"
#include "allocator/slabs/owner_tag.h"
#include "base/memory/meta_arena.h"

namespace tenure {
namespace {

uint32_t share_of(const Cache& cache) {
  const uint32_t number = index_of(cache.class_id);
  return number < kClassCount ? number : kClassCount;
}

uint32_t own_number(const Tenant& tenant) {
  const AccountingContext* const own = tenant.context.load(std::memory_order_acquire);
  return &tenant == &root_tenant || own == nullptr ? 0 : context_table.number_of(*own);
}

size_t bytes_for(uint32_t contexts) {
  return contexts * sizeof(Holding) + HeapCensus::kShares * sizeof(ClassShare);
}

}  // namespace

HeapCensus::HeapCensus(Tenant& tenant)
    : tenant_(tenant), own_(own_number(tenant)), end_(context_table.end()),
      holdings_(static_cast<Holding*>(meta_arena.allocate(bytes_for(end_)))) {
  if (holdings_) shares_ = reinterpret_cast<ClassShare*>(holdings_ + end_);
}

HeapCensus::~HeapCensus() {
  if (holdings_) meta_arena.release(holdings_, bytes_for(end_));
}

// Stale pointers give numbers beyond the end, which count as the root's.
uint32_t HeapCensus::number_of(const AccountingContext* context) const {
  if (context == nullptr) return 0;
  const uint64_t offset =
      reinterpret_cast<uint64_t>(context) - reinterpret_cast<uint64_t>(&context_table.at(0));
  const uint64_t number = offset / sizeof(AccountingContext);
  return number < end_ ? static_cast<uint32_t>(number) : 0;
}

TENURE_STALE_READ void HeapCensus::take() {
  grace::ReadSection section;
  look_at_own_caches();
  const uint32_t end = arena.descriptors.end();
  for (uint32_t number = 1; number < end; ++number) {
    const RunDescriptor& run = arena.descriptors.at(number);
    if (run.kind == RunKind::kSlab)
      look_at_slab(run, number);
    else if (run.kind == RunKind::kLarge)
      look_at_large(run);
  }
}

void HeapCensus::look_at_own_caches() {
  for_each_cache_of(tenant_, [this](const Cache& cache) {
    if (cache.pooled) return;
    ClassShare& share = shares_[share_of(cache)];
    const uint64_t out = cache.out.load(std::memory_order_relaxed);
    const uint64_t carved = cache.carved.load(std::memory_order_relaxed);
    const uint64_t slabs = cache.slabs.load(std::memory_order_relaxed);
    const uint64_t fronts = front_objects(cache), depots = depot_objects(cache);
    // Read one after the other: never less than nothing.
    const uint64_t live = out > fronts + depots ? out - fronts - depots : 0;
    const uint64_t in_slabs = carved > out ? carved - out : 0;
    share.live += live;
    share.live_bytes += live * cache.object_size;
    share.slabs += slabs;
    share.slab_bytes += slabs * cache.granules * kGranuleSize;
    share.in_slabs += in_slabs;
    share.in_depots += depots;
    share.in_fronts += fronts;
    free_.in_slabs += in_slabs * cache.object_size;
    free_.in_depots += depots * cache.object_size;
    free_.in_fronts += fronts * cache.object_size;
  });
}

TENURE_STALE_READ void HeapCensus::look_at_slab(const RunDescriptor& run, uint32_t number) {
  const SlabState state = run.state.load(std::memory_order_acquire);
  const Cache* const cache = __atomic_load_n(&run.cache, __ATOMIC_RELAXED);
  if (state.dead() || cache == nullptr) return;
  if (cache->pooled) return look_at_tags(run, number, *cache, state.carved);
  const uint32_t held = state.carved > state.free ? state.carved - state.free : 0;
  const AccountingContext* const charged = __atomic_load_n(&run.context, __ATOMIC_RELAXED);
  Holding& holding = holdings_[number_of(charged ? charged : cache->payer)];
  ++holding.slabs;
  ++holding.alone;
  holding.bytes += uint64_t{held} * cache->object_size;
}

TENURE_STALE_READ void HeapCensus::look_at_tags(const RunDescriptor& run, uint32_t number,
                                                const Cache& cache, uint32_t carved) {
  const std::atomic<OwnerTag>* const tags = __atomic_load_n(&run.tags, __ATOMIC_RELAXED);
  // The run may be a large object by now, whose length lies where the pointer was.
  if (!meta_arena.may_be_block(tags, size_t{carved} * sizeof(OwnerTag))) return;
  uint32_t holders = 0, holder = 0, own = 0;
  for (uint32_t i = 0; i < carved; ++i) {
    const OwnerTag tag = tags[i].load(std::memory_order_relaxed);
    if (!is_owned(tag) || tag >= end_) continue;
    Holding& holding = holdings_[tag];
    holding.bytes += cache.object_size;
    own += tag == own_;
    if (holding.last == number) continue;
    holding.last = number;
    ++holding.slabs;
    ++holders;
    holder = tag;
  }
  if (holders == 1) ++holdings_[holder].alone;
  unowned_slabs_ += holders == 0;
  ClassShare& share = shares_[share_of(cache)];
  share.live += own;
  share.live_bytes += uint64_t{own} * cache.object_size;
  share.pooled += own;
  share.pooled_slabs += own != 0;
}

TENURE_STALE_READ void HeapCensus::look_at_large(const RunDescriptor& run) {
  const uint32_t number = number_of(__atomic_load_n(&run.context, __ATOMIC_RELAXED));
  if (number != own_) return;
  ++large_objects_;
  large_bytes_ += run.large_bytes;
}

}  // namespace tenure
