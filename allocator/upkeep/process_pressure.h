// Giving memory back where the process as a whole has too much: TENURE_RSS_LIMIT_MIB, TENURE_CGROUP.
//
// Looked at when the page heap has taken fresh memory, and in control operations. Neither fails an allocation nor waits
// for another thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "allocator/hooks.h"
#include "allocator/slabs/arena.h"
#include "base/words/attributes.h"
#include "base/words/bits.h"

namespace tenure {

enum class CgroupState : uint8_t { kOff, kOn, kUnreadable };

// When the next look is to be taken. Relaxed: nothing hangs on it but when.
struct NextLook {
  // In coarse milliseconds; 0: at the first occasion. Whoever moves it on takes the look; a thread stopped in the middle leaves the
  // rest to the next.
  std::atomic<uint32_t> due{0};
  // Also where the heap grows beyond this.
  std::atomic<size_t> beyond{SIZE_MAX};
};

struct ProcessPressure {
  // A resident heap of at most so many bytes needs no look. Constant after bootstrap.
  size_t unwatched = SIZE_MAX;
  // Without shrinkers, and with: who could not run them puts off only those who cannot either.
  NextLook next[2];
  // Statistics.
  std::atomic<uint64_t> reclaims{0};
  std::atomic<uint64_t> returned{0};  // Bytes
  std::atomic<CgroupState> cgroup{CgroupState::kOff};
};
extern constinit ProcessPressure process_pressure;

// At bootstrap.
void watch_pressure(const Settings& settings);

// Bounds the pause of one thread: five milliseconds of madvise.
constexpr size_t kReturnStep = 64 * kMiB;
// More goes than has to, so that who grows bit by bit does not reclaim bit by bit.
constexpr size_t return_batch(uint64_t limit) {
  const uint64_t part = limit / 64;
  return part < 256 * kKiB ? 256 * kKiB : part > kReturnStep / 2 ? kReturnStep / 2 : part;
}
// The bytes to return at once where `used` bytes should be `limit` at most.
constexpr size_t bytes_to_return(uint64_t used, uint64_t limit) {
  if (used <= limit) return 0;
  const uint64_t most = used - limit + return_batch(limit);
  return most < kReturnStep ? most : kReturnStep;
}

TENURE_SLOW void look_at_pressure_slow(Occasion occasion, size_t coming);

// `coming`: bytes of a run that has just been taken and will be touched now. Costs a load and a comparison where nothing is to be
// watched.
inline void look_at_pressure(Occasion occasion, size_t coming = 0) {
  if (TENURE_UNLIKELY(arena.page_heap.resident_bytes() > process_pressure.unwatched)) {
    look_at_pressure_slow(occasion, coming);
  }
}

}  // namespace tenure
