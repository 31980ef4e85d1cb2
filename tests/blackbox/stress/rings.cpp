#include <memory>
#include <sched.h>

#include "tests/blackbox/stress/scenario.h"
#include "tests/blackbox/support/parcel.h"

namespace blackbox {

namespace {

// One producer, one consumer.
class Ring {
public:
  bool push(Parcel* parcel) {
    size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_.load(std::memory_order_acquire) == kCapacity) return false;
    slots_[tail % kCapacity] = parcel;
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }
  Parcel* pop() {
    size_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_.load(std::memory_order_acquire)) return nullptr;
    Parcel* parcel = slots_[head % kCapacity];
    head_.store(head + 1, std::memory_order_release);
    return parcel;
  }

private:
  static constexpr size_t kCapacity = 2000;
  alignas(64) std::atomic<size_t> head_ = 0;
  alignas(64) std::atomic<size_t> tail_ = 0;
  Parcel* slots_[kCapacity] = {};
};

void produce(Ring& ring, uint64_t seed, size_t limit, const StopFlag& stop) {
  Random random(seed);
  while (!stopped(stop)) {
    Parcel* parcel = make_parcel(random, limit);
    REQUIRE(parcel != nullptr, "memory exhausted");
    while (!ring.push(parcel)) {
      if (stopped(stop)) {
        free_parcel(parcel);
        return;
      }
      sched_yield();
    }
  }
}

void consume(Ring& ring, const StopFlag& stop) {
  while (!stopped(stop))
    if (Parcel* parcel = ring.pop())
      free_parcel(parcel);
    else
      sched_yield();
}

}  // namespace

// Every object is allocated by one thread and freed by another, in four streams of different sizes;
// the last two run between the same two threads in both directions.
void run_rings(double seconds) {
  auto rings = std::make_unique<Ring[]>(4);
  {
    Crew crew(seconds);
    crew.add([&](const StopFlag& stop) { produce(rings[0], 1, 64, stop); });
    crew.add([&](const StopFlag& stop) { consume(rings[0], stop); });
    crew.add([&](const StopFlag& stop) { produce(rings[1], 2, 300000, stop); });
    crew.add([&](const StopFlag& stop) { consume(rings[1], stop); });
    for (size_t side = 0; side < 2; ++side)
      crew.add([&rings, side](const StopFlag& stop) {
        Random random(3 + side);
        while (!stopped(stop)) {
          if (Parcel* parcel = make_parcel(random, 2000); !rings[2 + side].push(parcel))
            free_parcel(parcel);
          free_parcel(rings[3 - side].pop());
        }
      });
  }
  for (size_t i = 0; i < 4; ++i)
    while (Parcel* parcel = rings[i].pop()) free_parcel(parcel);
}

}  // namespace blackbox
