#pragma once

#include <atomic>
#include <stddef.h>
#include <thread>
#include <vector>

#include "tests/blackbox/support/clock.h"

namespace blackbox {

using StopFlag = std::atomic<bool>;

inline bool stopped(const StopFlag& stop) { return stop.load(std::memory_order_relaxed); }

// The threads of a scenario beside those that call malloc_trim all the while. Joined on destruction
// after `seconds` have passed since the first.
class Crew {
public:
  explicit Crew(double seconds, size_t trimmers = 1);
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  template <typename Function>
  void add(Function function) {
    threads_.emplace_back([this, function] { function(stop_); });
  }

private:
  double seconds_;
  StopFlag stop_ = false;
  std::vector<std::thread> threads_;
};

// Scenarios; each lasts about `seconds`, frees everything it allocated and fails by REQUIRE.
void run_rings(double seconds);
void run_oversubscribed(double seconds);
void run_migrations(double seconds);
void run_thread_churn(double seconds);

}  // namespace blackbox
