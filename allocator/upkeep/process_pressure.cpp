#include "allocator/upkeep/process_pressure.h"

#include "accounting/pressure/pressure.h"
#include "accounting/pressure/reclaim.h"
#include "allocator/caches/tenant_heap.h"
#include "allocator/slabs/current.h"
#include "allocator/upkeep/idle_slabs.h"
#include "allocator/upkeep/reclaim.h"
#include "allocator/upkeep/run_stash.h"
#include "base/system/cgroup.h"

namespace tenure {

constinit ProcessPressure process_pressure;

namespace {

// Between looks that find nothing to do, or can do nothing.
constexpr uint32_t kIntervalMs = 100;
// Tasks that were stalled count for ten seconds: a hundred looks would give up everything for one bad second.
constexpr uint32_t kStalledIntervalMs = 1000;

// Slabs that one look collects, of some 10 us each: a malloc may be what takes the look.
constexpr size_t kSlabsInALook = 16;

// The findings of one look.
struct Finding {
  size_t excess = 0;  // Has to go,
  size_t bytes = 0;   // and is tried for.
  size_t room = 0;    // How much the heap may grow before the next look, time aside.
  uint32_t interval_ms = kIntervalMs;
};

size_t watched_limit() { return static_cast<size_t>(arena.settings.rss_limit_mib) * kMiB; }

// Memory that was never touched is not resident, though the heap cannot tell; other memory of the process is, but not the
// heap's. The heap has the lesser of the two at most. The taker of a run of more than a step may want the addresses more than the
// memory.
size_t resident_heap(size_t heap, size_t coming) {
  size_t process = os::resident_anonymous();
  if (process != 0) process += coming < kReturnStep ? coming : kReturnStep;
  return process != 0 && process < heap ? process : heap;
}

void look_at_limit(Finding& finding, size_t coming) {
  const size_t limit = watched_limit();
  size_t used = arena.page_heap.resident_bytes();
  if (used > limit) used = resident_heap(used, coming);
  finding.bytes = bytes_to_return(used, limit);
  finding.excess = used > limit ? used - limit : 0;
  finding.room = used < limit ? limit - used : 0;
}

void look_at_cgroup(Finding& finding) {
  char directory[kLongestCgroupPath];
  CgroupMemory memory;
  const bool readable = find_cgroup("/proc/self/cgroup", "/sys/fs/cgroup", directory) &&
                        read_cgroup(directory, memory);
  process_pressure.cgroup.store(readable ? CgroupState::kOn : CgroupState::kUnreadable,
                                std::memory_order_relaxed);
  if (!readable) return;
  const uint64_t used = cgroup_used(memory), threshold = cgroup_threshold(memory);
  size_t bytes = bytes_to_return(used, threshold);
  const size_t excess = used > threshold ? used - threshold : 0;
  if (bytes == 0 && is_stalled(memory)) {
    bytes = return_batch(arena.page_heap.resident_bytes());
    if (finding.bytes == 0) finding.interval_ms = kStalledIntervalMs;
  }
  if (bytes > finding.bytes) finding.bytes = bytes;
  if (excess > finding.excess) finding.excess = excess;
}

struct Outcome {
  size_t returned = 0;  // To the system.
  // To the page heap: others may have taken it again, instead of fresh memory, before it could be returned.
  size_t released = 0;
};

// The cheapest goes first.
Outcome give_back(size_t bytes, Occasion occasion) {
  PageHeap& heap = arena.page_heap;
  size_t done = heap.purge_free(bytes);
  if (done >= bytes) return {done, 0};
  const StallScope stalled(current_tenant());
  const Achievement achieved;
  empty_stashes();
  empty_tenant_caches(root_tenant);
  reclaim(root_tenant, bytes - done, ReclaimStage::kPurge);
  done += heap.purge_free(bytes - done);
  if (done < bytes && may_reap(occasion)) {
    reclaim(root_tenant, bytes - done, ReclaimStage::kReap);
    done += heap.purge_free(bytes - done);
  }
  if (done < bytes) done += collect_slabs(bytes - done, kSlabsInALook);
  if (done < bytes && may_shrink(occasion)) {
    reclaim(root_tenant, bytes - done, ReclaimStage::kShrink);
    done += heap.purge_free(bytes - done);
  }
  return {done, achieved.released()};
}

// The next look comes with growth by what there is room for now, or by half of what went where that was not enough but worth the
// trouble; otherwise by time alone: a process that needs more than its limit is not to reclaim all the time.
void plan(NextLook& next, const Finding& finding, size_t gone) {
  next.due.store(coarse_ms() + finding.interval_ms, std::memory_order_relaxed);
  if (watched_limit() == 0) return;
  size_t room = finding.room;
  if (gone < finding.excess) {
    if (gone < finding.bytes / 4) return;
    room = gone / 2;
  } else {
    room += gone - finding.excess;
  }
  next.beyond.store(arena.page_heap.resident_bytes() + room, std::memory_order_relaxed);
}

}  // namespace

void watch_pressure(const Settings& settings) {
  ProcessPressure& pressure = process_pressure;
  const bool cgroup = settings.cgroup != 0;
  const auto limit = static_cast<size_t>(settings.rss_limit_mib) * kMiB;
  pressure.unwatched = cgroup ? 0 : limit ? limit : SIZE_MAX;
  pressure.cgroup.store(cgroup ? CgroupState::kOn : CgroupState::kOff, std::memory_order_relaxed);
}

void look_at_pressure_slow(Occasion occasion, size_t coming) {
  if (in_reclaim()) return;
  // So that shrinkers can tell a handler that has interrupted a charge (accounting/pressure/reclaim.h).
  const ChargingScope charging;
  ProcessPressure& pressure = process_pressure;
  NextLook& next = pressure.next[may_shrink(occasion)];
  const uint32_t now = coarse_ms();
  uint32_t due = next.due.load(std::memory_order_relaxed);
  if (due != 0 && is_ahead(due, now, kStalledIntervalMs) &&
      arena.page_heap.resident_bytes() <= next.beyond.load(std::memory_order_relaxed))
    return;
  if (!next.due.compare_exchange_strong(due, now + kIntervalMs, std::memory_order_relaxed)) return;
  next.beyond.store(SIZE_MAX, std::memory_order_relaxed);
  Finding finding;
  if (watched_limit() != 0) look_at_limit(finding, coming);
  if (arena.settings.cgroup != 0) look_at_cgroup(finding);
  Outcome outcome;
  if (finding.bytes != 0) {
    outcome = give_back(finding.bytes, occasion);
    pressure.reclaims.fetch_add(1, std::memory_order_relaxed);
    pressure.returned.fetch_add(outcome.returned, std::memory_order_relaxed);
  }
  plan(next, finding, outcome.returned > outcome.released ? outcome.returned : outcome.released);
}

}  // namespace tenure
