#include "allocator/control/statistics.h"

#include "accounting/tenants/departed_tenants.h"
#include "accounting/tenants/tenant_tree.h"
#include "allocator/caches/dead_caches.h"
#include "allocator/caches/tenant_heap.h"
#include "allocator/fronts/charge_stock.h"
#include "allocator/fronts/depots.h"
#include "allocator/fronts/front_space.h"
#include "allocator/fronts/sampler.h"
#include "allocator/heap/bootstrap.h"
#include "allocator/slabs/family.h"
#include "allocator/upkeep/process_pressure.h"
#include "base/memory/meta_arena.h"
#include "base/system/log.h"

namespace tenure {
namespace {

// As far as the chain's links lead from object to object.
uint64_t walk_length(ChainWord chain) {
  uint64_t length = 0;
  while (has_objects(chain) && is_plausible(chain) && length < UINT16_MAX) {
    const ChainWord rest = load_link(first_object(chain));
    ++length;
    if (!is_rest(rest, chain)) break;
    chain = rest;
  }
  return length;
}

// A named cache's, or what a stale look found, has no class.
ClassStatistics& statistics_of(HeapStatistics& statistics, ClassId id) {
  return index_of(id) < kClassCount ? statistics.classes[index_of(id)] : statistics.named;
}

// Of a slab: the pages that have returned; in memory that was never touched before, those behind what was carved, too.
TENURE_STALE_READ size_t untouched_bytes(const RunDescriptor& run, SlabState state) {
  const PageBits purged = run.collected ? __atomic_load_n(&run.purged, __ATOMIC_RELAXED) : 0;
  const size_t returned = static_cast<size_t>(std::popcount(purged)) * kPageSize;
  if (!run.fresh) return returned;
  const size_t bytes = size_t{run.granules} * kGranuleSize;
  const size_t touched = round_up(size_t{state.carved} * run.object_size, kPageSize);
  return returned + (touched < bytes ? bytes - touched : 0);
}

// Others may take and release runs meanwhile: what a descriptor says then is only not to be followed blindly.
TENURE_STALE_READ void add_runs(HeapStatistics& statistics) {
  grace::ReadSection section;
  const uint32_t end = arena.descriptors.end();
  for (uint32_t number = 1; number < end; ++number) {
    const RunDescriptor& run = arena.descriptors.at(number);
    if (run.kind == RunKind::kLarge) {
      ++statistics.large_objects;
      statistics.large_bytes += run.large_bytes;
    } else if (run.kind == RunKind::kStashed) {
      statistics.dirty_bytes += run.large_bytes;
    } else if (run.kind == RunKind::kSlab) {
      const SlabState state = run.state.load(std::memory_order_acquire);
      const Cache* const cache = __atomic_load_n(&run.cache, __ATOMIC_RELAXED);
      if (state.dead() || cache == nullptr) continue;
      ClassStatistics& c = statistics_of(statistics, cache->class_id);
      ++c.slabs;
      c.carved += state.carved;
      c.in_slabs += state.free;
      c.slab_bytes += size_t{run.granules} * kGranuleSize;
      statistics.untouched_bytes += untouched_bytes(run, state);
      // Objects of named caches differ in size: their bytes are added up here.
      if (cache->class_id == kNamedClass) {
        statistics.allocated_bytes += size_t{run.object_size} * (state.carved - state.free);
        statistics.cached_bytes += size_t{run.object_size} * state.free;
        statistics.free_objects += state.free;
      }
    }
  }
}

// Empty slabs that wait for readers.
void add_waiting(ClassStatistics& named) {
  grace::ReadSection section;
  for_each_named_family([&named](const CacheFamily& family) {
    if (family.waiting == nullptr) return;
    named.slabs += family.waiting->slabs();
    named.slab_bytes += family.waiting->bytes();
  });
}

void print_class(LineBuffer& line, uint32_t i, const ClassStatistics& c, bool json, bool first) {
  const uint64_t size = class_size(i);
  if (json) {
    line.text(first ? "" : ",")
        .text("{\"size\":")
        .decimal(size)
        .text(",\"allocated\":")
        .decimal(c.allocated());
    line.text(",\"slabs\":").decimal(c.slabs).text(",\"fronts\":").decimal(c.in_fronts);
    line.text(",\"depot\":").decimal(c.in_depot).text(",\"slab_free\":").decimal(c.in_slabs);
    line.text(",\"slab_bytes\":").decimal(c.slab_bytes);
    line.text(",\"waste\":").permille(c.waste_permille(size), 0).text("}");
    return;
  }
  line.column(size, 7).column(c.allocated(), 12).column(c.slabs, 8).column(c.in_fronts, 9);
  line.column(c.in_depot, 9).column(c.in_slabs, 10).column(c.slab_bytes / kKiB, 12).text("   ");
  line.permille(c.waste_permille(size), 5).text("%\n");
}

const char* cgroup_word() {
  switch (process_pressure.cgroup.load(std::memory_order_relaxed)) {
  case CgroupState::kOff:
    return "off";
  case CgroupState::kOn:
    return "on";
  case CgroupState::kUnreadable:
    break;
  }
  return "unreadable";
}

}  // namespace

uint64_t front_objects(const Cache& cache) {
  const uint32_t slot = cache.front_slot.load(std::memory_order_relaxed);
  uint64_t objects = 0;
  if (slot == 0) return 0;
  for (uint32_t area = 0; area < arena.cpus + arena.shared_areas; ++area) {
    for (const uint32_t word_offset : {Front::kAllocWord, Front::kFreeWord}) {
      const ChainWord word = word_in_area(area, slot + word_offset).load(std::memory_order_acquire);
      if (!has_objects(word)) continue;
      objects += may_be_closed_at_end(word) ? walk_length(word) : chain_length(word, cache.limit);
    }
  }
  return objects;
}

void collect_statistics(HeapStatistics& statistics) {
  statistics = {};
  if (!bootstrapped()) return;
  add_runs(statistics);
  for_each_cache([&statistics](const Cache& cache) {
    ClassStatistics& c = statistics_of(statistics, cache.class_id);
    const uint64_t in_depot = depot_objects(cache), in_fronts = front_objects(cache);
    c.in_depot += in_depot;
    c.in_fronts += in_fronts;
    statistics.free_objects += in_depot + in_fronts;
    statistics.front_objects += in_fronts;
    statistics.front_bytes += in_fronts * cache.object_size;
    if (cache.class_id == kNamedClass) {
      statistics.cached_bytes += (in_depot + in_fronts) * cache.object_size;
      statistics.allocated_bytes -= (in_depot + in_fronts) * cache.object_size;
    }
  });
  add_waiting(statistics.named);
  statistics.slab_bytes = statistics.named.slab_bytes;
  for (uint32_t i = 0; i < kClassCount; ++i) {
    const ClassStatistics& c = statistics.classes[i];
    statistics.allocated_bytes += c.allocated() * class_size(i);
    statistics.cached_bytes += (c.in_slabs + c.in_depot + c.in_fronts) * class_size(i);
    statistics.free_objects += c.in_slabs;
    statistics.slab_bytes += c.slab_bytes;
  }
  statistics.allocated_bytes += statistics.large_bytes;
  const PageHeapStats pages = arena.page_heap.stats();
  statistics.dirty_bytes += pages.dirty_bytes;
  statistics.committed_bytes = pages.chunk_bytes;
  statistics.pressure_reclaims = process_pressure.reclaims.load(std::memory_order_relaxed);
  statistics.pressure_returned = process_pressure.returned.load(std::memory_order_relaxed);
  statistics.reserved_bytes = arena.bytes;
  const uint64_t held = statistics.held_bytes(), peak = arena.page_heap.resident_peak();
  statistics.held_most = held > peak ? held : peak;
  const uint64_t chunks = pages.chunk_bytes / kChunkSize;
  statistics.meta_bytes = chunks * (kChunkGranules * sizeof(GranuleEntry) + PageHeap::kChunkMeta) +
                          arena.descriptors.end() * sizeof(RunDescriptor) +
                          front_space.written_bytes() + meta_arena.resident() +
                          context_table.resident() + sizeof root_caches + sizeof pool_caches +
                          sampling_bytes();
  if (sampler.points.load(std::memory_order_relaxed))
    statistics.meta_bytes += sizeof sampled_root_caches + sizeof sampled_pool_caches;
  if (arena.hardened) statistics.meta_bytes += pages.live_chunks * PageMap::kChunkMarks;
}

namespace {

// The places of a cache's objects, in bytes.
struct CacheBytes {
  uint64_t live, in_fronts, free;  // `free` with those in fronts.
};

// Levels are read one after the other while others go on: never less than nothing.
CacheBytes bytes_of(const Cache& cache) {
  const uint64_t carved = cache.carved.load(std::memory_order_relaxed);
  const uint64_t out = cache.out.load(std::memory_order_relaxed);
  const uint64_t listed = front_objects(cache), kept = listed + depot_objects(cache);
  const uint64_t live = out > kept ? out - kept : 0, size = cache.object_size;
  return {live * size, listed * size, (carved > live ? carved - live : 0) * size};
}

// The root has all that nobody pays for: its own objects, and what is free in slabs that tenants share or pay for by the object.
void collect_root(TenantStatistics& statistics) {
  for_each_cache([&statistics](const Cache& cache) {
    const CacheBytes bytes = bytes_of(cache);
    if (cache.isolated) return;
    if (cache.owner == &root_tenant && !cache.pooled) statistics.allocated_bytes += bytes.live;
    statistics.cached_bytes += bytes.free - (cache.payer ? bytes.in_fronts : 0);
  });
  const uint32_t end = arena.descriptors.end();
  for (uint32_t number = 1; number < end; ++number) {
    const RunDescriptor& run = arena.descriptors.at(number);
    if (run.kind == RunKind::kLarge && run.context == nullptr)
      statistics.allocated_bytes += run.large_bytes;
  }
}

}  // namespace

uint64_t listed_below(Tenant& top) {
  uint64_t bytes = 0;
  for_each_in_subtree(top, [&bytes](Tenant& tenant) {
    if (&tenant == &root_tenant || is_isolated(tenant)) return true;
    for_each_cache_of(tenant, [&bytes](const Cache& cache) {
      if (cache.payer) bytes += front_objects(cache) * cache.object_size;
    });
    return true;
  });
  return bytes;
}

// A tenant's context holds its objects, the bytes charged in advance, and the free space of its own caches: the pool needs no
// look, and neither does the heap.
void collect_tenant_statistics(Tenant& tenant, TenantStatistics& statistics) {
  statistics = {};
  if (!bootstrapped()) return;
  grace::ReadSection section;
  // Bytes that stand ready for the next objects are not used.
  const uint64_t usage = tenant.counter.usage();
  const uint64_t ready = stocked_below(tenant) + listed_below(tenant);
  statistics.usage_bytes = usage > ready ? usage - ready : 0;
  const bool root = &tenant == &root_tenant;
  const AccountingContext* const own = tenant.context.load(std::memory_order_acquire);
  uint64_t beside = own ? stocked_by(*own) : 0;
  statistics.meta_bytes = root ? 0 : sizeof(Tenant) + sizeof(AccountingContext);
  if (heap_of(tenant)) statistics.meta_bytes += sizeof(TenantHeap);
  for_each_cache_of(tenant, [&](const Cache& cache) {
    const uint64_t slabs = cache.slabs.load(std::memory_order_relaxed);
    statistics.meta_bytes += sizeof(Cache) + slabs * sizeof(RunDescriptor);
    if (root) return;
    const CacheBytes bytes = bytes_of(cache);
    const uint64_t run_bytes = slabs * cache.granules * kGranuleSize;
    beside += cache.payer ? bytes.in_fronts : run_bytes > bytes.live ? run_bytes - bytes.live : 0;
    statistics.cached_bytes += cache.payer ? bytes.in_fronts : bytes.free;
  });
  if (root) return collect_root(statistics);
  if (own && own->held() > beside) statistics.allocated_bytes = own->held() - beside;
}

TENURE_STALE_READ uint64_t unused_bytes_of(const AccountingContext& context) {
  if (!context.holds_slabs()) return 0;
  grace::ReadSection section;
  uint64_t unused = 0;
  const uint32_t end = arena.descriptors.end();
  for (uint32_t number = 1; number < end; ++number) {
    const RunDescriptor& run = arena.descriptors.at(number);
    if (run.kind != RunKind::kSlab || __atomic_load_n(&run.context, __ATOMIC_RELAXED) != &context)
      continue;
    const SlabState state = run.state.load(std::memory_order_acquire);
    if (state.dead()) continue;
    const uint64_t live = static_cast<uint64_t>(state.carved - state.free) * run.object_size;
    unused += run.granules * kGranuleSize - live;
  }
  return unused;
}

void collect_family_statistics(const CacheFamily& family, FamilyStatistics& statistics) {
  statistics = {};
  grace::ReadSection section;
  const uint32_t end = arena.descriptors.end();
  for (uint32_t number = 1; number < end; ++number) {
    const RunDescriptor& run = arena.descriptors.at(number);
    if (run.kind != RunKind::kSlab) continue;
    const Cache* const cache = __atomic_load_n(&run.cache, __ATOMIC_RELAXED);
    if (cache == nullptr || cache->family != &family) continue;
    const SlabState state = run.state.load(std::memory_order_acquire);
    if (state.dead()) continue;
    ++statistics.slabs;
    statistics.slab_bytes += size_t{run.granules} * kGranuleSize;
    statistics.live += state.carved - state.free;
    statistics.cached += state.free;
  }
  const auto add_lists = [&statistics](const Cache& cache) {
    const uint64_t kept = depot_objects(cache) + front_objects(cache);
    statistics.cached += kept;
    statistics.live -= kept < statistics.live ? kept : statistics.live;
  };
  if (family.waiting) statistics.waiting_bytes = family.waiting->bytes();
  add_lists(*family.root);
  add_lists(*family.pool);
  family.children.for_each([&](uint32_t, const Cache* cache) {
    add_lists(*cache);
    return ++statistics.tenants != 0;
  });
  for_each_dead_cache([&](const Cache& cache) {
    if (cache.family == &family) add_lists(cache);
    return true;
  });
}

void print_statistics(int fd, bool json) {
  static_assert(sizeof(HeapStatistics) < 4 * kKiB);  // Fits the stack of a signal handler.
  HeapStatistics statistics;
  collect_statistics(statistics);
  LineBuffer line;
  const struct {
    const char* name;
    uint64_t value;
  } totals[] = {{"allocated", statistics.allocated_bytes},
                {"cached", statistics.cached_bytes},
                {"slab_bytes", statistics.slab_bytes},
                {"large_objects", statistics.large_objects},
                {"large_bytes", statistics.large_bytes},
                {"dirty", statistics.dirty_bytes},
                {"committed", statistics.committed_bytes},
                {"meta", statistics.meta_bytes},
                {"pressure_reclaims", statistics.pressure_reclaims},
                {"pressure_returned", statistics.pressure_returned}};
  line.text(json ? "{\"mode\":\"" : "tenure statistics (bytes; mode ");
  line.text(arena.rseq ? "rseq" : "fallback").text(json ? "\"" : ")\n");
  line.text(json ? ",\"cgroup\":\"" : "  cgroup: ").text(cgroup_word()).text(json ? "\"" : "\n");
  for (const auto& total : totals) {
    if (json) {
      line.text(",\"").text(total.name).text("\":").decimal(total.value);
    } else {
      line.text("  ").text(total.name).text(": ").decimal(total.value).text("\n");
    }
  }
  line.text(
      json ? ",\"classes\":["
           : "  class     objects   slabs   fronts    depot  slab free    slabs KiB   waste\n");
  line.flush(fd);
  bool first = true;
  for (uint32_t i = 0; i < kClassCount; ++i) {
    if (statistics.classes[i].slabs == 0) continue;
    print_class(line, i, statistics.classes[i], json, first);
    first = false;
    line.flush(fd);
  }
  if (json) line.text("]}\n").flush(fd);
}

}  // namespace tenure
