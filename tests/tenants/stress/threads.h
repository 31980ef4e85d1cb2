#pragma once

#include <atomic>
#include <errno.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "tests/blackbox/support/check.h"
#include "tests/blackbox/support/child.h"
#include "tests/blackbox/support/clock.h"
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

// Calls function() in a forked child, which must come to its end.
template <typename Function>
void in_child(Function function) {
  const pid_t child = fork();
  REQUIRE(child >= 0, "fork: %s", strerror(errno));
  if (child == 0) {
    function();
    _exit(0);
  }
  require_child_success(child, scaled(60), "the child");
}

}  // namespace blackbox
