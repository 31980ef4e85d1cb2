// What tests of the heap share: objects with a pattern, threads that move, the check at the end.
#pragma once

#include <sched.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "allocator/control/statistics.h"
#include "allocator/heap/bootstrap.h"
#include "allocator/heap/heap.h"
#include "allocator/slabs/arena.h"
#include "allocator/upkeep/reclaim.h"

namespace tenure {

// A heap, and after each test a look whether it is whole.
class HeapTest : public testing::Test {
protected:
  void SetUp() override { ASSERT_TRUE(bootstrap()); }
  void TearDown() override {
    const char* wrong = validate_heap();
    EXPECT_EQ(wrong, nullptr) << wrong;
  }
};

// A Cache of the test's own, with words in the CPU areas that nobody else uses.
inline Cache& fresh_cache(size_t size) {
  static uint32_t fronts = 0;
  static uint32_t next_front = kFrontAreaSize / 2;
  static std::vector<Cache> caches(200);  // Slabs keep pointing to it.
  Cache& cache = caches.at(fronts++);
  cache.init(class_of(size), next_front, 1);
  cache.family = &class_families[index_of(class_of(size))];
  next_front += 2 * kFrontSize;  // With its depots.
  return cache;
}

// Fills an object so that another owner's writes, or a purge, would show.
class Stamped {
public:
  Stamped() = default;
  Stamped(void* p, size_t bytes, uint64_t seed)
      : words_(static_cast<uint64_t*>(p)), count_(bytes / 8), seed_(seed) {
    for (size_t i = 0; i < count_; i += step(i)) words_[i] = value(i);
  }
  bool intact() const {
    for (size_t i = 0; i < count_; i += step(i)) {
      if (words_[i] != value(i)) return false;
    }
    return true;
  }
  void* object() const { return words_; }

private:
  // The first words, which hold links while the object is free, and one word in each 512 bytes.
  static size_t step(size_t i) { return i < 2 ? 1 : 64; }
  uint64_t value(size_t i) const {
    return seed_ * 0x9e3779b97f4a7c15 + i + reinterpret_cast<uint64_t>(words_);
  }

  uint64_t* words_ = nullptr;
  size_t count_ = 0;
  uint64_t seed_ = 0;
};

struct Random {
  uint64_t state;
  uint32_t next() {
    state = state * 6364136223846793005 + 1442695040888963407;
    return static_cast<uint32_t>(state >> 33);
  }
  uint32_t below(uint32_t n) { return next() % n; }
};

inline void run_threads(int count, const std::function<void(int)>& body) {
  std::vector<std::thread> threads;
  threads.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) threads.emplace_back(body, i);
  for (std::thread& thread : threads) thread.join();
}

// Keeps the calling thread on the CPU it is on.
class StayOnCpu {
public:
  StayOnCpu() {
    sched_getaffinity(0, sizeof all_, &all_);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<size_t>(sched_getcpu()), &one);
    sched_setaffinity(0, sizeof one, &one);
  }
  ~StayOnCpu() { sched_setaffinity(0, sizeof all_, &all_); }
  StayOnCpu(const StayOnCpu&) = delete;
  StayOnCpu& operator=(const StayOnCpu&) = delete;

private:
  cpu_set_t all_;
};

// Moves the calling thread to the nth of its CPUs.
inline void move_to_cpu(uint32_t nth) {
  static const cpu_set_t all = [] {
    cpu_set_t set;
    CPU_ZERO(&set);
    sched_getaffinity(0, sizeof set, &set);
    return set;
  }();
  nth %= static_cast<uint32_t>(CPU_COUNT(&all));
  for (uint32_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &all) || nth-- != 0) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    sched_setaffinity(0, sizeof one, &one);
    return;
  }
}

}  // namespace tenure
