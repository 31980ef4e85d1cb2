// The share of time in which a thread of a tenant waits for memory: Linux' PSI ("some"), per tenant.
//
// A thread is stalled while it reclaims to get below a limit, or pauses in a checkpoint above high. The stall counts for the tenant for
// which the thread allocates, and for all above. Averages are computed when a thread reads them or a stall ends, not by a timer.
#pragma once

#include <atomic>
#include <cstdint>

#include "accounting/tenants/under_way.h"
#include "base/system/clock.h"

namespace tenure {

struct Tenant;

// Shares of time in hundredths of a percent, times 1024. Pure.
struct PressureAverages {
  uint32_t over_10s = 0;
  uint32_t over_60s = 0;
  uint32_t over_300s = 0;

  static constexpr uint64_t kPeriodUs = 2'000'000;
  static constexpr uint32_t kOne = 1024;

  // After a further `elapsed_us` (>= kPeriodUs), of which `stalled_us` were stalled, evenly spread.
  PressureAverages advanced(uint64_t elapsed_us, uint64_t stalled_us) const;
};

// Threads that stall change it without locks; all threads read it. Times are of the monotonic clock.
class Pressure {
public:
  void begin(uint64_t now_us);
  // Called after begin() of this object. Without begin() it does nothing.
  void end(uint64_t now_us);
  // Whether any thread has ever stalled.
  bool has_begun() const { return averaged_at_.load(std::memory_order_relaxed) != 0; }

  // Microseconds during which at least one thread was stalled.
  uint64_t total_us(uint64_t now_us) const;
  PressureAverages averages(uint64_t now_us);

  // In a fork child: no thread is stalled, and no thread is averaging.
  void forget_threads(uint64_t now_us);

private:
  static constexpr unsigned kSinceBits = 48;
  static constexpr uint64_t kOneThread = 1ULL << kSinceBits;
  void advance(uint64_t now_us);
  PressureAverages read_averages() const;

  // {threads stalled : 16, since when one is : 48}. Changed by compare-and-swap.
  std::atomic<uint64_t> stalled_{0};
  std::atomic<uint64_t> total_us_{0};
  // PressureAverages: two of them, and the third. Written by the thread that has set the lowest bit of averaged_at_.
  std::atomic<uint64_t> averages_{0};
  std::atomic<uint32_t> over_300s_{0};
  // Time of the last averaging * 2 + busy; 0 before the first stall.
  std::atomic<uint64_t> averaged_at_{0};
  std::atomic<uint64_t> averaged_total_us_{0};  // As averages_.
};

// During the lifetime of the object this thread is stalled on behalf of the tenant and all above it. The caller has a pin on the tenant,
// and the object takes another. Not in a read section.
class StallScope : public UnderWay {
public:
  static constexpr Kind kKind = Kind::kStall;
  explicit StallScope(Tenant& tenant);
  ~StallScope();
  StallScope(const StallScope&) = delete;
  StallScope& operator=(const StallScope&) = delete;

  Tenant& tenant() const { return tenant_; }

private:
  Tenant& tenant_;
};

// In a fork child: all stalled threads are gone except this one.
void pressure_after_fork_child();

struct PressureReport {
  uint64_t total_us;
  uint32_t over_10s, over_60s, over_300s;  // Hundredths of a percent.
};
// Of an online tenant; zeros for others.
PressureReport pressure_of(Tenant& tenant);

}  // namespace tenure
