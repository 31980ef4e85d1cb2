// Threads that repeat a step while signals and migrations interrupt them. The signal handler runs the step as well.
#pragma once

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "tests/rcu/sequences.h"

namespace tenure {

class InterruptedWorkers {
public:
  static constexpr uint32_t kWorkers = 3;

  InterruptedWorkers(const RseqAbi& abi, uint32_t cpus) : abi_(abi), cpus_(cpus) {}

  // `step` takes a number: the round, or kInHandler in the signal handler. Returns when every worker has finished its rounds. One call
  // at a time in the process.
  void run(uint32_t rounds, std::function<void(uint32_t)> step) {
    step_ = std::move(step);
    running = this;
    struct sigaction action = {}, saved;
    action.sa_handler = [](int) {
      joined(running->abi_);
      running->step_(kInHandler);
    };
    action.sa_flags = SA_RESTART;
    sigaction(SIGUSR1, &action, &saved);
    std::vector<std::thread> workers;
    for (uint32_t i = 0; i < kWorkers; ++i) {
      workers.emplace_back([this, rounds] {
        joined(abi_);
        for (uint32_t round = 0; round < rounds; ++round) step_(round);
        ++finished_;
        // Handles signals until nobody sends any.
        while (!quiet_.load()) std::this_thread::yield();
      });
    }
    interrupt(workers);
    quiet_ = true;
    for (std::thread& worker : workers) worker.join();
    sigaction(SIGUSR1, &saved, nullptr);
    running = nullptr;
  }

  bool finished() const { return finished_.load() == kWorkers; }

  static constexpr uint32_t kInHandler = UINT32_MAX;

private:
  void interrupt(std::vector<std::thread>& workers) {
    for (uint32_t turn = 1; !finished(); ++turn) {
      std::thread& victim = workers[turn % kWorkers];
      pthread_kill(victim.native_handle(), SIGUSR1);
      if (turn % 8 != 0) continue;
      cpu_set_t set;
      CPU_ZERO(&set);
      CPU_SET(turn / 8 % cpus_, &set);
      pthread_setaffinity_np(victim.native_handle(), sizeof set, &set);
    }
  }

  static inline InterruptedWorkers* running = nullptr;

  const RseqAbi abi_;
  const uint32_t cpus_;
  std::function<void(uint32_t)> step_;
  std::atomic<uint32_t> finished_{0};
  std::atomic<bool> quiet_{false};
};

}  // namespace tenure
