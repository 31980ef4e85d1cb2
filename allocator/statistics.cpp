#include "allocator/statistics.h"

#include "allocator/bootstrap.h"
#include "allocator/front.h"
#include "base/log.h"
#include "base/meta_arena.h"

namespace tenure {
namespace {

// Chains may change under the walk: each step checks that it still stands on an object of the arena.
uint64_t depot_objects(const Cache& cache) {
  uint64_t objects = 0;
  uint64_t chain = cache.depot.peek();
  for (uint32_t left = cache.depot.size(); left > 0 && has_objects(chain); --left) {
    if (granule_of(first_object(chain)) == kNoGranule) break;
    objects += chain_length(chain, cache.limit);
    chain = DepotLinks::load(chain);
  }
  return objects;
}

uint64_t front_objects(const Cache& cache) {
  uint64_t objects = 0;
  for (uint32_t area = 0; area < arena.cpus + arena.shared_areas; ++area) {
    for (const uint32_t word_offset : {Front::kAllocWord, Front::kFreeWord}) {
      const ChainWord word =
          word_in_area(area, cache.front_slot + word_offset).load(std::memory_order_acquire);
      if (has_objects(word)) objects += chain_length(word, cache.limit);
    }
  }
  return objects;
}

void add_runs(HeapStatistics& statistics) {
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
      if (state.dead()) continue;
      ClassStatistics& c = statistics.classes[index_of(run.cache->class_id)];
      ++c.slabs;
      c.carved += state.carved;
      c.in_slabs += state.free;
      c.slab_bytes += size_t{run.granules} * kGranuleSize;
    }
  }
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
    line.text(",\"slab_bytes\":").decimal(c.slab_bytes).text("}");
    return;
  }
  const uint64_t used = c.allocated() * size;
  line.column(size, 7).column(c.allocated(), 12).column(c.slabs, 8).column(c.in_fronts, 9);
  line.column(c.in_depot, 9).column(c.in_slabs, 10).column(c.slab_bytes / kKiB, 12).text("   ");
  line.permille(c.slab_bytes ? 1000 - used * 1000 / c.slab_bytes : 0, 5).text("%\n");
}

}  // namespace

void collect_statistics(HeapStatistics& statistics) {
  statistics = {};
  if (!bootstrapped()) return;
  add_runs(statistics);
  for (uint32_t i = 0; i < kClassCount; ++i) {
    ClassStatistics& c = statistics.classes[i];
    c.in_depot = depot_objects(root_caches[i]);
    c.in_fronts = front_objects(root_caches[i]);
    statistics.allocated_bytes += c.allocated() * class_size(i);
    statistics.cached_bytes += (c.in_slabs + c.in_depot + c.in_fronts) * class_size(i);
    statistics.slab_bytes += c.slab_bytes;
  }
  statistics.allocated_bytes += statistics.large_bytes;
  const PageHeapStats pages = arena.page_heap.stats();
  statistics.dirty_bytes += pages.dirty_bytes;
  statistics.committed_bytes = pages.chunk_bytes;
  const uint64_t granules = pages.chunk_bytes / kGranuleSize;
  statistics.meta_bytes = granules * sizeof(GranuleEntry) + pages.chunk_bytes / kChunkSize * 33 +
                          arena.descriptors.end() * sizeof(RunDescriptor) + meta_arena.in_use();
}

void print_statistics(int fd, bool json) {
  static_assert(sizeof(HeapStatistics) < 4 * kKiB);  // Fits the stack of a signal handler.
  HeapStatistics statistics;
  collect_statistics(statistics);
  LineBuffer line;
  const struct {
    const char* name;
    uint64_t value;
  } totals[] = {
      {"allocated", statistics.allocated_bytes}, {"cached", statistics.cached_bytes},
      {"slab_bytes", statistics.slab_bytes},     {"large_objects", statistics.large_objects},
      {"large_bytes", statistics.large_bytes},   {"dirty", statistics.dirty_bytes},
      {"committed", statistics.committed_bytes}, {"meta", statistics.meta_bytes}};
  line.text(json ? "{\"mode\":\"" : "tenure statistics (bytes; mode ");
  line.text(arena.rseq ? "rseq" : "fallback").text(json ? "\"" : ")\n");
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
