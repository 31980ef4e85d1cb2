#pragma once

#include <atomic>
#include <thread>
#include <vector>

#include "tests/blackbox/support/random.h"

namespace blackbox {

// Calls function(random) in a thread until told to stop.
class Threads {
public:
  ~Threads() { stop(); }
  template <typename Function>
  void add(Function function) {
    threads_.emplace_back([this, function, seed = threads_.size() + 1] {
      Random random(mix(seed));
      while (!stop_.load(std::memory_order_relaxed)) function(random);
    });
  }
  void stop() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

private:
  std::atomic<bool> stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace blackbox
