#include <atomic>
#include <gtest/gtest.h>
#include <malloc.h>
#include <memory>
#include <mutex>
#include <pthread.h>
#include <stdlib.h>
#include <thread>
#include <time.h>
#include <unistd.h>

#include "tests/blackbox/shadow/shadow_heap.h"
#include "tests/blackbox/support/check.h"
#include "tests/blackbox/support/clock.h"

namespace blackbox {
namespace {

void run_single(uint64_t seed, size_t largest, size_t budget, double seconds) {
  ShadowHeap heap(seed, largest, budget);
  Deadline deadline(scaled(seconds));
  for (size_t steps = 1; !deadline.passed(); ++steps) {
    for (int i = 0; i < 256; ++i) heap.step();
    if (steps % 64 == 0) heap.check_all();
    if (steps % 256 == 0) malloc_trim(0);
    if (steps % 512 == 0) require_valid_heap();
  }
  heap.free_all();
  require_valid_heap();
}

TEST(Shadow, SmallObjects) { run_single(1, 1024, 8 << 20, 0.4); }
TEST(Shadow, MediumObjects) { run_single(2, 100000, 64 << 20, 0.4); }
TEST(Shadow, AllSizes) { run_single(3, 8 << 20, 256 << 20, 0.5); }
TEST(Shadow, AllSizesAgain) { run_single(4, 8 << 20, 64 << 20, 0.4); }

TEST(Shadow, FreshSeed) {
  const char* given = getenv("TENURE_TEST_SEED");
  uint64_t seed = given != nullptr ? strtoull(given, nullptr, 0)
                                   : mix(uint64_t(time(nullptr)) ^ uint64_t(getpid()) << 32);
  printf("TENURE_TEST_SEED=%#lx\n", seed);
  fflush(stdout);  // to be read after a crash
  run_single(seed, size_t(16) << (seed % 20), 128 << 20, 0.5);
}

// Each thread keeps its own books; objects change hands through a box that holds one lot.
struct Exchange {
  std::mutex mutex;
  ShadowHeap::Objects lot;
};

void run_threads(size_t count, uint64_t seed, size_t largest, double seconds) {
  std::vector<std::unique_ptr<ShadowHeap>> heaps;
  for (size_t i = 0; i < count; ++i)
    heaps.push_back(std::make_unique<ShadowHeap>(mix(seed + i), largest, (256u << 20) / count));
  Exchange exchange;
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (size_t i = 0; i < count; ++i)
    threads.emplace_back([&, heap = heaps[i].get()] {
      for (size_t steps = 1; !stop.load(std::memory_order_relaxed); ++steps) {
        heap->step();
        if (steps % 2048 != 0) continue;
        ShadowHeap::Objects mine = heap->take_half();
        {
          std::lock_guard guard(exchange.mutex);
          exchange.lot.swap(mine);
        }
        heap->adopt(mine);
      }
    });
  threads.emplace_back([&] {
    while (!stop.load(std::memory_order_relaxed)) {
      malloc_trim(0);
      sleep_seconds(0.01);
    }
  });
  sleep_seconds(scaled(seconds));
  stop.store(true);
  for (std::thread& thread : threads) thread.join();
  heaps[0]->adopt(exchange.lot);
  std::vector<const ShadowHeap*> all;
  for (auto& heap : heaps) all.push_back(heap.get());
  require_disjoint(all);
  require_valid_heap();
  for (auto& heap : heaps) heap->free_all();
  require_valid_heap();
}

TEST(Shadow, TwoThreadsSmallObjects) { run_threads(2, 10, 600, 0.8); }
TEST(Shadow, FourThreadsAllSizes) { run_threads(4, 11, 8 << 20, 1.0); }
TEST(Shadow, TwelveThreadsMediumObjects) { run_threads(12, 12, 60000, 1.0); }

}  // namespace
}  // namespace blackbox
