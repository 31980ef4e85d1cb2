#include "allocator/heap/live_samples.h"

#include "allocator/upkeep/reclaim.h"
#include "base/memory/meta_arena.h"
#include "base/words/tagged_stack.h"

namespace tenure {
namespace {

// Blocks of samples, made as they are needed: at most so many, for as many live samples as half a tebibyte has at the usual mean.
constexpr uint32_t kInBlock = 256;
constexpr uint32_t kBlocks = 4096;
constinit std::atomic<LiveSample*> blocks[kBlocks]{};
constinit std::atomic<uint32_t> next_number{1};  // Numbers below it have been used.

LiveSample& at(uint32_t number) {
  // Acquire: pairs with the exchange that published the block.
  return blocks[number / kInBlock].load(std::memory_order_acquire)[number % kInBlock];
}

struct Links {
  static uint64_t load(uint64_t node) {
    return at(static_cast<uint32_t>(node)).next.load(std::memory_order_relaxed);
  }
  static void store(uint64_t node, uint64_t next) {
    at(static_cast<uint32_t>(node))
        .next.store(static_cast<uint32_t>(next), std::memory_order_relaxed);
  }
};
constinit TaggedStack<Links> unused;

bool ensure_block(uint32_t number) {
  std::atomic<LiveSample*>& block = blocks[number / kInBlock];
  if (block.load(std::memory_order_acquire) != nullptr) return true;
  constexpr size_t kBytes = kInBlock * sizeof(LiveSample);
  auto* const made = static_cast<LiveSample*>(meta_arena.allocate(kBytes));
  if (made == nullptr) return false;
  LiveSample* none = nullptr;
  if (!block.compare_exchange_strong(none, made, std::memory_order_acq_rel))
    meta_arena.release(made, kBytes);
  return true;
}

uint32_t take_number() {
  if (const uint64_t recycled = unused.pop()) return static_cast<uint32_t>(recycled);
  uint32_t number = next_number.load(std::memory_order_relaxed);
  do {
    if (number == kBlocks * kInBlock || !ensure_block(number)) return 0;
  } while (!next_number.compare_exchange_weak(number, number + 1, std::memory_order_relaxed));
  return number;
}

}  // namespace

uint32_t take_sample(const void* object, ProfileSite* site, bool isolated) {
  const uint32_t number = site != nullptr ? take_number() : 0;
  if (number == 0) {
    lost_samples.fetch_add(1, std::memory_order_relaxed);
    return 0;
  }
  LiveSample& sample = at(number);
  site->allocated.fetch_add(1, std::memory_order_relaxed);
  sample.site.store(site, std::memory_order_relaxed);
  sample.born.store(coarse_ms(), std::memory_order_relaxed);
  sample.isolated = isolated;
  sample.object.store(reinterpret_cast<uint64_t>(object), std::memory_order_release);
  return number;
}

bool end_sample(uint32_t number) {
  LiveSample& sample = at(number);
  const bool isolated = sample.isolated;
  sample.site.load(std::memory_order_relaxed)->freed.fetch_add(1, std::memory_order_relaxed);
  sample.object.store(0, std::memory_order_release);
  unused.push(number);
  return isolated;
}

void visit_samples(void (*f)(const LiveSample&, void* argument), void* argument) {
  const uint32_t end = next_number.load(std::memory_order_relaxed);
  for (uint32_t number = 1; number < end; ++number) {
    const LiveSample* const block = blocks[number / kInBlock].load(std::memory_order_acquire);
    if (block == nullptr) continue;
    const LiveSample& sample = block[number % kInBlock];
    if (sample.object.load(std::memory_order_acquire) != 0) f(sample, argument);
  }
}

}  // namespace tenure
