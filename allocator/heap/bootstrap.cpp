#include "allocator/heap/bootstrap.h"

#include <sys/auxv.h>
#include <time.h>
#include <unistd.h>

#include "accounting/charge/process_memory.h"
#include "accounting/tenants/context_table.h"
#include "allocator/caches/tenant_heap.h"
#include "allocator/heap/pool.h"
#include "allocator/slabs/arena.h"
#include "allocator/upkeep/process_pressure.h"
#include "base/memory/meta_arena.h"
#include "base/system/log.h"
#include "base/system/topology.h"
#include "live/region.h"
#include "rcu/rseq_abi.h"

namespace tenure {

constinit HotState hot;
constinit Arena arena{};
constinit Cache root_caches[kClassCount];

namespace {

constexpr unsigned kSmallestArenaShift = 23;
constexpr uint32_t kSharedAreasBesideRseq = 2;

constinit Layout layout{};
// The published heap: the reservation's start, which is a multiple of kChunkSize, plus log2 of the arena's size and
// whether only the CPUs' areas are mapped and who registers threads. 0: none yet.
constinit std::atomic<uint64_t> published{0};
constinit std::atomic<bool> ready{false};

// Published beside the start of the heap and log2 of the arena's size. Sequences are published, too: a registration may be refused
// to one of two threads that come here at once.
constexpr uint64_t kShiftMask = 63;
constexpr uint64_t kBounded = 64;
constexpr uint64_t kSequences = 128;
constexpr uint64_t kOwnSequences = 256;  // Threads are registered by the library.

uint64_t flags_of(const RseqAbi& abi) {
  return (abi.usable ? kSequences : 0) | (abi.usable && abi.own ? kOwnSequences : 0);
}

uint32_t shared_areas_for(uint64_t flags, uint32_t cpus) {
  // Threads that start in a sandbox are not registered by the library: then there are many without.
  if ((flags & (kSequences | kOwnSequences)) == kSequences) return kSharedAreasBesideRseq;
  // Twice the CPUs, so that oversubscribed threads seldom share a word.
  return cpus < 4 ? 8 : cpus > 32 ? 64 : 2 * cpus;
}

bool wants_marks() { return arena.settings.check == static_cast<int64_t>(CheckLevel::kHardened); }

// Under RLIMIT_AS, which counts what is reserved, only the CPUs' areas are mapped, at a place where everything can grow: an arena of
// the limit's size, and beyond it as much again, which the program's own mappings fill from above.
uint64_t place_bounded_heap(size_t limit, uint32_t cpu_areas) {
  unsigned shift = log2_ceil(limit);
  const unsigned most = log2_floor(static_cast<uint64_t>(arena.settings.arena_gib) * kGiB);
  if (shift > most) shift = most;
  if (shift < kSmallestArenaShift) shift = kSmallestArenaShift;
  const Layout layout{shift, cpu_areas, wants_marks()};
  const auto place = reinterpret_cast<uint64_t>(os::probe_place());
  const uint64_t below = layout.total_bytes() + layout.arena_bytes();
  // The place is most likely the heap of another thread that is at this line.
  constexpr uint64_t kPlaces = 8;
  for (uint64_t i = 1; i <= kPlaces && place > (i + 1) * below; ++i) {
    const uint64_t base = round_down(place - i * below, kChunkSize);
    if (os::reserve_at(reinterpret_cast<void*>(base), layout.cpu_bytes()) == os::Placed::kDone)
      return base | kBounded | shift;
  }
  return 0;
}

uint64_t reserve_heap(uint32_t cpu_areas) {
  const size_t limit = os::address_space_limit();
  if (limit != SIZE_MAX) return place_bounded_heap(limit, cpu_areas);
  Layout wanted{log2_floor(static_cast<uint64_t>(arena.settings.arena_gib) * kGiB), cpu_areas,
                wants_marks()};
  for (; wanted.arena_shift >= kSmallestArenaShift; --wanted.arena_shift) {
    if (void* p = os::reserve(wanted.total_bytes(), kChunkSize)) {
      return reinterpret_cast<uint64_t>(p) | wanted.arena_shift;
    }
  }
  return 0;
}

void release_heap(uint64_t word, uint32_t cpu_areas) {
  const Layout lost{static_cast<unsigned>(word & kShiftMask), cpu_areas, wants_marks()};
  os::release(reinterpret_cast<void*>(word & ~(kChunkSize - 1)),
              word & kBounded ? lost.cpu_bytes() : lost.total_bytes());
}

uint64_t random_key() {
  uint64_t key = 0;
  if (const auto* bytes = reinterpret_cast<const char*>(getauxval(AT_RANDOM))) {
    __builtin_memcpy(&key, bytes + 8, sizeof key);  // The first half guards glibc's stacks.
  }
  key ^= reinterpret_cast<uint64_t>(&published) * 0x9e3779b97f4a7c15;
  return key | 1;
}

// The limit of the process counts granules, and a huge page is resident as a whole: under a limit there are none unless asked for.
HugePageMode huge_pages_of(const Settings& settings) {
  const auto mode = static_cast<HugePageMode>(settings.huge_pages);
  return settings.max != 0 && mode == HugePageMode::kAuto ? HugePageMode::kOff : mode;
}

// Each line writes what any other thread here writes too.
bool adopt(uint64_t word, uint32_t cpus, uint32_t shared) {
  char* const base = reinterpret_cast<char*>(word & ~(kChunkSize - 1));
  layout = {static_cast<unsigned>(word & kShiftMask), kClosedAreas + cpus + shared, wants_marks()};
  const bool mapped = !(word & kBounded);
  arena.hardened = wants_marks();
  arena.rseq = (word & kSequences) != 0;
  arena.own_rseq = (word & kOwnSequences) != 0;
  arena.bytes = layout.arena_bytes();
  arena.cpus = cpus;
  arena.shared_areas = shared;

  const size_t closed_bytes = kClosedAreas * kCpuAreaSize;
  if (!os::commit_read_only(base, closed_bytes)) return false;
  if (!os::commit(base + closed_bytes, layout.cpu_bytes() - closed_bytes)) return false;
  arena.page_map.adopt(base + layout.page_map_at(), layout.page_map_bytes(), mapped);
  arena.page_map.adopt_tag_places(base + layout.tag_places_at(), layout.tag_places_bytes(), mapped);
  if (arena.hardened)
    arena.page_map.adopt_bitmaps(base + layout.bitmaps_at(), layout.bitmaps_bytes(), mapped);
  arena.descriptors.adopt(base + layout.descriptors_at(), layout.descriptors_bytes(), mapped);
  meta_arena.adopt(base + layout.meta_at(), layout.meta_bytes(), mapped);
  context_table.adopt(base + layout.contexts_at(), layout.contexts_bytes(), mapped);
  arena.page_heap.adopt(base + layout.arena_at(), layout.arena_bytes(), base + layout.chunks_at(),
                        layout.chunks_bytes(), base + layout.hints_at(), layout.hints_bytes(),
                        &arena.page_map, &hot.arena_units, huge_pages_of(arena.settings), mapped);

  arena.page_heap.charge_to(&process_memory);

  const uint32_t smallest_slab =
      granules_for(size_t{1} << log2_ceil(static_cast<uint64_t>(arena.settings.slab_kib) * kKiB));
  for (uint32_t i = 0; i < kClassCount; ++i) {
    root_caches[i].init(ClassId{static_cast<uint8_t>(i)}, kRootFrontOffset, smallest_slab);
    pool_caches[i].init(ClassId{static_cast<uint8_t>(i)}, kPoolFrontOffset, smallest_slab);
    for (Cache* sampled : {&sampled_root_caches[i], &sampled_pool_caches[i]}) {
      sampled->class_id = ClassId{static_cast<uint8_t>(i)};
      sampled->init_size(class_size(i), smallest_slab);
    }
  }

  connect_tenants();

  hot.cpu_base = base + closed_bytes;
  // Without sequences the fast path of free still looks at a word of the thread's area. A thread that
  // reads as not registered finds a closed one; CPUs may have no areas.
  hot.rseq = rseq_offset(arena.own_rseq || !arena.rseq);
  hot.arena_base = reinterpret_cast<uint64_t>(base + layout.arena_at());
  hot.entries = arena.page_map.entries();
  hot.tag_places = arena.page_map.tag_places();
  hot.descriptors = &arena.descriptors.at(0);
  hot.meta_base = meta_arena.base() - kCacheLine;  // Tenants' numbers begin with 1.
  hot.pool_front = kPoolFrontOffset;
  if (arena.hardened) chain_key = random_key();
  // Last, and ordered by the release: from here on the fast path uses all of the above.
  std::atomic_ref(hot.front_sizes)
      .store(arena.rseq && !arena.hardened ? kLargestSmall + 1 : 0, std::memory_order_release);
  ready.store(true, std::memory_order_release);
  return true;
}

}  // namespace

void bound_heap() {
  if (!bootstrapped()) return;
  arena.page_map.give_up_unused();
  arena.descriptors.give_up_unused();
  meta_arena.give_up_unused();
  context_table.give_up_unused();
  arena.page_heap.give_up_unused();
  live::give_up_unused_region();
}

bool bootstrapped() { return ready.load(std::memory_order_acquire); }
const Layout& heap_layout() { return layout; }

bool bootstrap() {
  if (bootstrapped()) return true;
  Settings settings;  // Complete before any other thread can see a part of it.
  load_settings(settings);
  arena.settings = settings;
  watch_pressure(settings);
  limit_process(settings);
  const uint32_t cpus = possible_cpus();
  // The areas of many CPUs may not fit a small address space: then all threads share a few.
  const bool fits = os::address_space_limit() / 8 > size_t{cpus} * kCpuAreaSize;
  const uint32_t own = fits ? cpus : 0;
  const auto shared = [=](uint64_t flags) {
    return fits ? shared_areas_for(flags, cpus) : kSharedAreasBesideRseq;
  };

  uint64_t word = published.load(std::memory_order_acquire);
  if (word == 0) {
    // At the hardened level words inside objects are encoded, which the sections do not do.
    const bool wanted = fits && !wants_marks();
    const uint64_t flags = wanted ? flags_of(probe_rseq(static_cast<RseqUse>(settings.rseq))) : 0;
    const uint32_t areas = kClosedAreas + own + shared(flags);
    uint64_t mine = reserve_heap(areas);
    if (mine == 0) return false;
    mine |= flags;
    if (published.compare_exchange_strong(word, mine, std::memory_order_acq_rel)) {
      word = mine;
    } else {
      release_heap(mine, areas);
    }
  }
  return adopt(word, own, shared(word));
}

}  // namespace tenure
