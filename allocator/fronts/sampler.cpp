#include "allocator/fronts/sampler.h"

#include <sys/auxv.h>
#include <time.h>

#include "allocator/pages/size_class.h"
#include "base/memory/os_memory.h"
#include "base/words/exponential.h"

namespace tenure {

namespace {

constexpr size_t kPointsPerArea = kFrontAreaSize / kSlotSize;
constexpr size_t kAreaBytes = kPointsPerArea * sizeof(int64_t);

uint32_t areas() { return arena.cpus + arena.shared_areas; }

bool make_points() {
  if (sampler.points.load(std::memory_order_acquire)) return true;
  const size_t bytes = areas() * kAreaBytes;
  void* const made = os::reserve(bytes, kPageSize);
  if (made == nullptr) return false;
  if (!os::commit(made, bytes)) {
    os::release(made, bytes);
    return false;
  }
  std::atomic<int64_t>* none = nullptr;
  if (!sampler.points.compare_exchange_strong(none, static_cast<std::atomic<int64_t>*>(made),
                                              std::memory_order_acq_rel))
    os::release(made, bytes);
  return true;
}

uint64_t fresh_seed() {
  uint64_t seed = reinterpret_cast<uint64_t>(hot.cpu_base);
  if (const auto* bytes = reinterpret_cast<const char*>(getauxval(AT_RANDOM))) {
    uint64_t random;
    __builtin_memcpy(&random, bytes, sizeof random);
    seed ^= mix_random(random);
  }
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return seed + static_cast<uint64_t>(now.tv_nsec) * kRandomStep;
}

int64_t draw() {
  const uint64_t state =
      sampler.random.fetch_add(kRandomStep, std::memory_order_relaxed) + kRandomStep;
  return exponential(mix_random(state),
                     static_cast<double>(sampler.mean.load(std::memory_order_relaxed)));
}

void forget_points() {
  std::atomic<int64_t>* const points = sampler.points.load(std::memory_order_acquire);
  for (size_t i = 0; points && i < areas() * kPointsPerArea; ++i) {
    // Most were never used: their pages stay untouched.
    if (points[i].load(std::memory_order_relaxed) != 0)
      points[i].store(0, std::memory_order_relaxed);
  }
}

}  // namespace

bool start_sampling(uint64_t mean) {
  if (!make_points()) return false;
  if (sampler.random.load(std::memory_order_relaxed) == 0)
    sampler.random.store(fresh_seed(), std::memory_order_relaxed);
  if (sampler.mean.exchange(mean, std::memory_order_relaxed) != mean) forget_points();
  constexpr uint32_t kListsToMend = 4096;
  sampler.lists_to_mend.store(kListsToMend, std::memory_order_relaxed);
  sampler.on.store(true, std::memory_order_release);
  return true;
}

void stop_sampling() { sampler.on.store(false, std::memory_order_relaxed); }

void seed_sampling(uint64_t seed) {
  sampler.random.store(mix_random(seed + 1) | 1, std::memory_order_relaxed);
  forget_points();
}

size_t sampling_bytes() {
  const std::atomic<int64_t>* const points = sampler.points.load(std::memory_order_acquire);
  if (points == nullptr) return 0;
  constexpr size_t kInPage = kPageSize / sizeof(int64_t);
  size_t pages = 0;
  for (size_t page = 0; page < areas() * kPointsPerArea; page += kInPage) {
    bool used = false;
    for (size_t i = page; i < page + kInPage && !used; ++i)
      used = points[i].load(std::memory_order_relaxed) != 0;
    pages += used;
  }
  return pages * kPageSize;
}

SamplingPoint::SamplingPoint(uint32_t slot)
    : point_(sampler.points.load(std::memory_order_acquire) + own_area() * kPointsPerArea +
             slot / kSlotSize),
      own_cpu_(arena.rseq && rseq_cpu(hot.rseq) >= 0) {}

int64_t SamplingPoint::left() {
  int64_t left = point_->load(std::memory_order_relaxed);
  if (left > 0) return left;
  left = draw();
  point_->store(left, std::memory_order_relaxed);
  return left;
}

bool SamplingPoint::pass(uint64_t bytes) {
  const auto length = static_cast<int64_t>(bytes);
  int64_t seen = left();
  if (own_cpu_) {
    const bool within = seen <= length;
    point_->store(within ? 0 : seen - length, std::memory_order_relaxed);
    return within;
  }
  // Threads without rseq share a point: none of their steps may be lost.
  for (;;) {
    const int64_t after = seen > length ? seen - length : 0;
    if (point_->compare_exchange_weak(seen, after, std::memory_order_relaxed))
      return after == 0 && seen > 0;
  }
}

uint32_t SamplingPoint::objects_before(uint64_t bytes, uint32_t count) {
  const auto before = static_cast<uint64_t>(left() - 1);
  return before >= bytes * count ? count : static_cast<uint32_t>(before / bytes);
}

void SamplingPoint::pass_before(uint64_t bytes) {
  const int64_t after = left() - static_cast<int64_t>(bytes);
  point_->store(after > 0 ? after : 1, std::memory_order_relaxed);
}

// As in pass(): only threads of this CPU use the point, and a thread that is preempted between load and store may undo another's step.
bool SamplingPoint::pass_if_before(uint64_t bytes) {
  const int64_t after = point_->load(std::memory_order_relaxed) - static_cast<int64_t>(bytes);
  if (!own_cpu_ || after <= 0) return false;
  point_->store(after, std::memory_order_relaxed);
  return true;
}

void SamplingPoint::unpass(uint64_t bytes) {
  point_->fetch_add(static_cast<int64_t>(bytes), std::memory_order_relaxed);
}

void forget_point(uint32_t area, uint32_t slot) {
  if (std::atomic<int64_t>* const points = sampler.points.load(std::memory_order_acquire))
    points[area * kPointsPerArea + slot / kSlotSize].store(0, std::memory_order_relaxed);
}

}  // namespace tenure
