#include "allocator/heap/large.h"

#include <errno.h>

#include "accounting/charge/charge.h"
#include "accounting/charge/process_charge.h"
#include "accounting/pressure/reclaim.h"
#include "allocator/fronts/charge_stock.h"
#include "allocator/fronts/sampler.h"
#include "allocator/heap/sampled_objects.h"
#include "allocator/slabs/arena.h"
#include "allocator/slabs/last_payer.h"
#include "allocator/slabs/misuse.h"
#include "allocator/upkeep/decay.h"
#include "allocator/upkeep/reclaim.h"
#include "allocator/upkeep/run_stash.h"

namespace tenure {

constinit MovedRuns moved_runs;

namespace {

// Moving page tables costs less than copying from about here; below, a move is not worth the split mapping.
constexpr size_t kSmallestMove = 512 * kKiB;

void describe(RunDescriptor& run, uint32_t granule, uint32_t granules) {
  run.cache = nullptr;
  run.granule = granule;
  run.granules = granules;
  run.object_size = 0;
  run.capacity = 0;
  run.kind = RunKind::kLarge;
  run.pooling = Pooling::kNone;
  run.fresh = false;
  run.resized = false;
  run.sample = 0;
  run.large_bytes = size_t{granules} * kGranuleSize;
}

void unpay(AccountingContext& context, size_t bytes) {
  const OwnerTag tag = tag_of(context);
  if (bytes > kLargestStocked || !give_to_stock(tag, bytes)) uncharge_to_stock(tag, bytes);
}

// False: refused. The root pays nothing: no context. The payer through `from` pays no more.
bool charge_for(Tenant& tenant, size_t bytes, AccountingContext** context,
                AccountingContext* from = nullptr) {
  if (&tenant == &root_tenant) {
    if (from) uncharge(*from, bytes);
    return true;
  }
  if (from == nullptr && bytes <= kLargestStocked) {
    *context = pay_from_stock(tenant, bytes);
    if (*context == nullptr) *context = charge_with_stock(tenant, bytes, RequestKind::kLarge);
    return *context != nullptr;
  }
  *context = charge_if_it_fits(tenant, bytes, from);
  if (*context == nullptr) {
    make_room_of_stocks(tenant, bytes);
    *context = charge(tenant, bytes, RequestKind::kLarge, from);
  }
  return *context != nullptr;
}

Occasion occasion_of(const AccountingContext* payer) {
  return payer ? Occasion::kMallocForTenant : Occasion::kMallocForRoot;
}

void set_length(RunDescriptor& run, uint32_t granules) {
  run.granules = granules;
  run.large_bytes = size_t{granules} * kGranuleSize;
  run.resized = true;
}

bool count_moved_run() {
  if (moved_runs.live.fetch_add(1, std::memory_order_relaxed) < moved_runs.most) return true;
  moved_runs.live.fetch_sub(1, std::memory_order_relaxed);
  return false;
}

// Gives granules back that lie in the mapping of a moved run; `last`: no others do. The mapping is made anew, so that it can merge with
// its neighbours. Where the kernel refuses, it stays as it is, and counted.
void release_moved(uint32_t granule, uint32_t granules, bool last, bool clear) {
  const size_t bytes = size_t{granules} * kGranuleSize;
  if (!os::remap_fresh(arena.page_heap.address(granule), bytes)) {
    release_run(granule, granules, clear);
    return;
  }
  arena.page_heap.restore_advice(granule, granules);
  if (last) moved_runs.live.fetch_sub(1, std::memory_order_relaxed);
  count_released(bytes);
  // As release_run: the look at the decay has to come by for the marks.
  arena.page_heap.release(granule, granules, !arena.hardened || arena.settings.decay_ms == 0);
}

// The growth of a run is charged when there is memory for it, and before anything else changes: where the limit or the memory refuses,
// no counter has been touched, its peak included.
bool charge_growth(const RunDescriptor& run, uint32_t granules) {
  const size_t growth = size_t{granules - run.granules} * kGranuleSize;
  return run.context == nullptr || charge_more(*run.context, growth, RequestKind::kLarge);
}

// After a move the old run's pages are gone, so it goes back as purged; the new one is an island of its own mapping until
// it is freed.
void* move_large(RunDescriptor& run, uint32_t number, uint32_t granules) {
  const size_t old_bytes = run.large_bytes;
  if (!count_moved_run()) return nullptr;
  const Run target = allocate_run(granules, 1, Fill::kAny, occasion_of(run.context),
                                  RequestKind::kLarge, old_bytes);
  if (!target) {
    moved_runs.live.fetch_sub(1, std::memory_order_relaxed);
    return nullptr;
  }
  if (!charge_growth(run, granules)) {
    release_run(target.granule, target.granules);
    moved_runs.live.fetch_sub(1, std::memory_order_relaxed);
    return nullptr;
  }
  void* const from = arena.page_heap.address(run.granule);
  void* const to = arena.page_heap.address(target.granule);
  const os::Move moved = os::move_pages(from, to, old_bytes);
  if (moved != os::Move::kDone) {
    // A target that is lost stays out of use: somebody else's mapping may be there.
    if (moved == os::Move::kRefused) release_run(target.granule, target.granules);
    moved_runs.live.fetch_sub(1, std::memory_order_relaxed);
    if (run.context) uncharge(*run.context, size_t{granules} * kGranuleSize - old_bytes);
    return nullptr;
  }
  arena.page_map.set(run.granule, 1, 0, 0);
  if (run.moved) {
    release_moved(run.granule, run.granules, true, false);
  } else {
    arena.page_heap.release(run.granule, run.granules, true);
  }
  describe(run, target.granule, granules);
  run.moved = true;
  arena.page_map.set(target.granule, 1, 0, number);
  return to;
}

// An object from the page heap, or 0. Nobody is charged for it yet.
TENURE_SLOW uint32_t take_from_page_heap(uint32_t granules, uint32_t alignment, Fill fill,
                                         Occasion occasion) {
  const uint32_t number = arena.descriptors.allocate();
  const Run run = number ? allocate_run(granules, alignment, fill, occasion) : Run{};
  if (!run) {
    if (number) arena.descriptors.release(number);
    return 0;
  }
  RunDescriptor& descriptor = arena.descriptors.at(number);
  describe(descriptor, run.granule, granules);
  descriptor.moved = false;
  descriptor.context = nullptr;
  arena.page_map.set(run.granule, 1, 0, number);
  return number;
}

void* out_of_memory() {
  errno = ENOMEM;
  return nullptr;
}

// The stash keeps runs that nobody is charged for.
bool keep_run(RunDescriptor& run, uint32_t number) {
  if (TENURE_UNLIKELY(run.isolated)) return false;
  AccountingContext* const context = run.context;
  const size_t bytes = run.large_bytes;
  run.context = nullptr;
  if (stash_run(number)) {
    if (TENURE_UNLIKELY(context != nullptr)) unpay(*context, bytes);
    return true;
  }
  run.context = context;
  return false;
}

}  // namespace

void* allocate_large(Tenant& tenant, size_t size, size_t alignment, Fill fill) {
  // Neither fits, and both fit the types below otherwise.
  if (size > arena.bytes || alignment > arena.bytes) return out_of_memory();
  const uint32_t granules = granules_for(size == 0 ? 1 : size);
  const size_t bytes = size_t{granules} * kGranuleSize;
  const uint32_t aligned =
      alignment <= kGranuleSize ? 1 : static_cast<uint32_t>(alignment / kGranuleSize);
  AccountingContext* context = nullptr;
  if (TENURE_UNLIKELY(!charge_for(tenant, bytes, &context))) return out_of_memory();
  uint32_t number = take_stashed(granules, alignment);
  const bool stashed = number != 0;
  if (!stashed) number = take_from_page_heap(granules, aligned, fill, occasion_of(context));
  if (number == 0) {
    if (context) uncharge(*context, bytes);
    return out_of_memory();
  }
  RunDescriptor& run = arena.descriptors.at(number);
  run.context = context;
  run.isolated = is_isolated(tenant);
  void* const object = arena.page_heap.address(run.granule);
  if (stashed && fill == Fill::kZero) __builtin_memset(object, 0, size);
  if (TENURE_UNLIKELY(is_sampling())) consider_large(run, tenant);
  return object;
}

void free_large(uint32_t number) {
  RunDescriptor& run = arena.descriptors.at(number);
  if (TENURE_UNLIKELY(run.sample != 0)) forget_large(run);
  AccountingContext* const context = run.context;
  if (TENURE_UNLIKELY(context != nullptr || has_last_payer(run.granule)))
    note_last_payer(run.granule, 1, context);
  if (keep_run(run, number)) return;
  const int saved = errno;
  const size_t bytes = run.large_bytes;
  release_large(number);
  if (context) unpay(*context, bytes);
  pay_for_free_pages(bytes);
  poll_decay();
  errno = saved;
}

void release_large(uint32_t number) {
  RunDescriptor& run = arena.descriptors.at(number);
  const uint32_t granule = run.granule;
  const uint32_t granules = run.granules;
  const bool moved = run.moved;
  const bool isolated = run.isolated;
  arena.page_map.set(granule, 1, 0, 0);
  arena.descriptors.release(number);
  const bool clear = isolated || arena.hardened;
  if (moved) {
    release_moved(granule, granules, true, clear);
  } else {
    release_run(granule, granules, clear);
  }
}

static void* resize_unsampled(uint32_t number, size_t size) {
  if (size > arena.bytes) return nullptr;
  RunDescriptor& run = arena.descriptors.at(number);
  void* const object = arena.page_heap.address(run.granule);
  const uint32_t granules = granules_for(size);
  if (granules == run.granules) return object;
  if (granules < run.granules) {
    const uint32_t surplus = run.granules - granules;
    set_length(run, granules);
    const bool clear = run.isolated || arena.hardened;
    if (run.moved) {
      release_moved(run.granule + granules, surplus, false, clear);
    } else {
      release_run(run.granule + granules, surplus, clear);
    }
    if (run.context) uncharge(*run.context, size_t{surplus} * kGranuleSize);
    pay_for_free_pages(size_t{surplus} * kGranuleSize);
    poll_decay();
    return object;
  }
  ProcessCharge charge(RequestKind::kLarge);
  if (!arena.page_heap.extend(run.granule, run.granules, granules, &charge))
    return run.large_bytes >= kSmallestMove ? move_large(run, number, granules) : nullptr;
  const uint32_t growth = granules - run.granules;
  if (!charge_growth(run, granules)) {
    arena.page_heap.release(run.granule + run.granules, growth);
    return nullptr;
  }
  set_length(run, granules);
  look_at_pressure(occasion_of(run.context), size_t{growth} * kGranuleSize);
  return object;
}

// With another length it counts as another object, of the tenant that pays for it now.
void* resize_large(uint32_t number, size_t size) {
  RunDescriptor& run = arena.descriptors.at(number);
  const uint32_t before = run.granules, sample = run.sample;
  void* const resized = resize_unsampled(number, size);
  run.sample = sample;
  if (TENURE_LIKELY(sample == 0 && !is_sampling())) return resized;
  if (resized != nullptr && run.granules != before) {
    grace::ReadSection section;
    consider_large(run, run.context ? *run.context->tenant() : root_tenant);
  }
  return resized;
}

bool transfer_large(uint32_t number, Tenant& tenant) {
  RunDescriptor& run = arena.descriptors.at(number);
  AccountingContext* context = nullptr;
  if (!charge_for(tenant, run.large_bytes, &context, run.context)) return false;
  run.context = context;
  run.isolated |= is_isolated(tenant);
  return true;
}

}  // namespace tenure
