// Two threads: objects allocated in one and freed in the other; and the price of a thread's life.
#include "micro/common.h"

#include <atomic>
#include <cstdlib>
#include <pthread.h>
#include <sched.h>
#include <time.h>

namespace {

// A bounded ring for one producer and one consumer. Objects travel in blocks: one release store and
// one acquire load per block of 128, so the queue costs well under a nanosecond an object.
class Ring {
public:
  static constexpr std::uint32_t kBlock = 128;
  static constexpr std::uint32_t kBlocks = 16;
  struct Block {
    void* objects[kBlock];
  };

  // The block to fill; waits while the consumer is a whole ring behind.
  Block& begin_write() {
    const std::uint64_t index = written_.load(std::memory_order_relaxed);
    // Acquire pairs with end_read: the consumer is done with the block we are about to overwrite.
    wait_until([&] { return index - read_.load(std::memory_order_acquire) < kBlocks; });
    return blocks_[index % kBlocks];
  }
  void end_write() {
    // Release pairs with begin_read: publishes the pointers and what they point to.
    written_.store(written_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }
  const Block& begin_read() {
    const std::uint64_t index = read_.load(std::memory_order_relaxed);
    wait_until([&] { return written_.load(std::memory_order_acquire) != index; });
    return blocks_[index % kBlocks];
  }
  void end_read() {
    read_.store(read_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  }

private:
  // Yields after a while: the partner may not have a CPU.
  template <typename Ready>
  static void wait_until(Ready ready) {
    for (std::uint32_t spins = 0; !ready(); ++spins) {
      if (spins < 2000)
        asm volatile("" : : : "memory");
      else
        sched_yield();
    }
  }

  alignas(128) std::atomic<std::uint64_t> written_{0};  // stored by the producer only
  alignas(128) std::atomic<std::uint64_t> read_{0};     // stored by the consumer only
  alignas(128) Block blocks_[kBlocks];
};

Ring ring;

// The share of a CPU this thread had. Both threads spin while they wait, so the sum over the two is
// 2 where they ran side by side, and 1 where they took turns on one CPU: then nothing is contended,
// and the row shows the quiet case of a single thread.
class CpuShare {
public:
  CpuShare() : wall_(now(CLOCK_MONOTONIC)), cpu_(now(CLOCK_THREAD_CPUTIME_ID)) {}
  double share() const {
    return (now(CLOCK_THREAD_CPUTIME_ID) - cpu_) / (now(CLOCK_MONOTONIC) - wall_);
  }

private:
  static double now(clockid_t clock) {
    timespec time;
    clock_gettime(clock, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
  }
  double wall_;
  double cpu_;
};

void producer_consumer(benchmark::State& state) {
  const std::size_t size = state.range(0);
  const bool producer = state.thread_index() == 0;
  const CpuShare cpu;
  // Both threads run the same number of iterations, so the ring is empty again at the end.
  for (auto _ : state) {
    if (producer) {
      for (void*& object : ring.begin_write().objects) {
        object = malloc(size);
        bench::touch(object);
      }
      ring.end_write();
    } else {
      for (void* object : ring.begin_read().objects) free(object);
      ring.end_read();
    }
  }
  state.counters["parallel"] = cpu.share();  // summed over the threads
  if (!producer) bench::set_items(state, Ring::kBlock);
}
BENCHMARK(producer_consumer)->Arg(16)->Arg(64)->Arg(256)->Arg(1024)->Threads(2)->UseRealTime();

void* little_work(void*) {
  void* objects[32];
  for (std::size_t i = 0; i < 32; ++i) {
    objects[i] = bench::escape(malloc(16 << (i % 8)));
    bench::touch(objects[i]);
  }
  for (void* object : objects) free(object);
  return nullptr;
}

void thread_spawn(benchmark::State& state) {
  for (auto _ : state) {
    pthread_t thread;
    if (pthread_create(&thread, nullptr, little_work, nullptr) != 0) {
      state.SkipWithError("pthread_create failed");
      break;
    }
    pthread_join(thread, nullptr);
  }
  bench::set_items(state, 1);
}
BENCHMARK(thread_spawn)->UseRealTime();

}  // namespace
