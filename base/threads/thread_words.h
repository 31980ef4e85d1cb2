// The thread-local words of the library beside the rseq area and the scope (rcu/rseq_ops.h). They are one struct, so that alignment loses
// none of the 64 bytes (docs/architecture.md). One file uses each word, and that file has the word's meaning; the comment beside the word
// names the file. No other thread reads the words. A signal handler restores them, unless the file says otherwise.
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
