#include "allocator/upkeep/idle_slabs.h"

#include "allocator/slabs/arena.h"
#include "allocator/slabs/holes.h"
#include "allocator/upkeep/reclaim.h"
#include "rcu/grace.h"

namespace tenure {
namespace {

// Granules that the hand passes at a time: 256 MiB. A slab costs two cache lines.
constexpr uint32_t kMostVisits = 8192;
// A huge page is split where so much of it is free objects, and a slab returns so much of itself.
constexpr size_t kWorthSplitting = kChunkSize / 4;
constexpr uint32_t kPagesInHuge = 16;

// {when the round began, in coarse milliseconds; the next granule}. 0: it has not begun. The thread that moves it past a slab visits that slab.
// Relaxed: a slab is claimed by its own state.
constinit std::atomic<uint64_t> slab_hand{0};
constexpr uint64_t hand_at(uint32_t began, uint32_t granule) {
  return uint64_t{began} << 32 | granule;
}

uint32_t granules_opened() { return arena.page_heap.frontier() * kChunkGranules; }

// The run that begins at the granule, and where the next may.
struct RunAt {
  uint32_t number;  // 0: none begins here.
  uint32_t next;
};
TENURE_STALE_READ RunAt run_at(uint32_t granule) {
  const uint32_t number = arena.page_map.at(granule).descriptor.load(std::memory_order_relaxed);
  if (number == 0) return {0, granule + 1};
  const RunDescriptor& run = arena.descriptors.at(number);
  const uint32_t granules = run.granules;
  if (run.granule != granule || granules == 0 || granules > granules_opened() - granule)
    return {0, granule + 1};
  return {number, granule + granules};
}

// Visits slabs one after the other.
class Visitor {
public:
  explicit Visitor(VisitKind kind) : kind_(kind) {}

  // Whether the slab was collected.
  bool visit(uint32_t granule, uint32_t number) {
    if (bytes_to_collect(number, kind_) == 0) return false;
    const bool huge = arena.page_heap.in_huge_page(granule);
    if (huge && !is_worth_splitting(granule)) return false;
    const uint32_t pages = arena.descriptors.at(number).granules * (kGranuleSize / kPageSize);
    returned_ += collect_slab(number, huge ? divide_up(pages, kPagesInHuge) : 1);
    return true;
  }
  size_t returned() const { return returned_; }

private:
  bool is_worth_splitting(uint32_t granule) {
    if (arena.page_heap.keeps_huge_pages()) return false;
    const uint32_t chunk = granule / kChunkGranules;
    if (chunk == chunk_) return worth_;
    size_t bytes = 0;
    const uint32_t end = (chunk + 1) * kChunkGranules;
    for (uint32_t at = chunk * kChunkGranules; at < end;) {
      const RunAt run = run_at(at);
      if (run.number != 0) bytes += bytes_to_collect(run.number, kind_);
      at = run.next;
    }
    chunk_ = chunk;
    worth_ = bytes >= kWorthSplitting;
    return worth_;
  }

  const VisitKind kind_;
  size_t returned_ = 0;
  uint32_t chunk_ = kNoGranule;  // The last that was looked at.
  bool worth_ = false;
};

}  // namespace

SlabWork collect_some_slabs(uint32_t now, size_t most, uint32_t round_ms) {
  SlabWork done;
  Visitor visitor(VisitKind::kIdle);
  uint64_t seen = slab_hand.load(std::memory_order_relaxed);
  for (uint32_t visits = 0;; ++visits) {
    const auto began = static_cast<uint32_t>(seen >> 32), granule = static_cast<uint32_t>(seen);
    const uint32_t granules = granules_opened(), elapsed = elapsed_ms(began, now);
    if (seen == 0 || (granule >= granules && elapsed >= round_ms)) {
      if (slab_hand.compare_exchange_strong(seen, hand_at(now, 0), std::memory_order_relaxed))
        break;
      continue;
    }
    const uint64_t due = elapsed >= round_ms ? granules : uint64_t{granules} * elapsed / round_ms;
    if (granule >= due) break;
    if (done.collected >= most || visits >= kMostVisits) {
      done.behind = true;
      break;
    }
    const grace::ReadSection section;
    const RunAt run = run_at(granule);
    if (!slab_hand.compare_exchange_weak(seen, hand_at(began, run.next), std::memory_order_relaxed))
      continue;
    seen = hand_at(began, run.next);
    if (run.number != 0 && visitor.visit(granule, run.number)) ++done.collected;
  }
  return done;
}

size_t collect_slabs(size_t bytes, size_t most) {
  Visitor visitor(VisitKind::kAtOnce);
  size_t collected = 0;
  for (uint32_t granule = 0; granule < granules_opened();) {
    const grace::ReadSection section;
    const RunAt run = run_at(granule);
    if (run.number != 0 && visitor.visit(granule, run.number)) ++collected;
    if (collected >= most || visitor.returned() >= bytes) break;
    granule = run.next;
  }
  return visitor.returned();
}

}  // namespace tenure
