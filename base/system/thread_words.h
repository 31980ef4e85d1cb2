// The words that the library keeps of each thread beside its rseq area and its scope (rcu/rseq_ops.h): one struct, so that no byte of the little
// there is (64 bytes, docs/architecture.md) is lost to alignment. Each word is used by the one file that is named at it, and says there
// what it means. No other thread reads them. A signal handler leaves them as it found them, where the file does not say otherwise.
#pragma once

#include <atomic>
#include <cstdint>

namespace tenure {

struct UnderWay;

struct ThreadWords {
  UnderWay* under_way;               // accounting/tenants/under_way
  std::atomic<uint32_t> read_depth;  // rcu/grace
  uint16_t shared_area;              // allocator/fronts/front
  volatile uint8_t held_ranks;       // base/system/lock
  bool reclaiming : 1;               // accounting/pressure/reclaim
  bool quiet : 1;                    // accounting/pressure/reclaim
  uint8_t charging : 6;              // accounting/pressure/reclaim
};
static_assert(sizeof(ThreadWords) == 16);

extern thread_local constinit ThreadWords thread_words
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

}  // namespace tenure
