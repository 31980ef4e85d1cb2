// Grace periods of the library beside liburcu's flavours: a read section, on one thread and on two; a grace period that is waited for, while nobody reads
// and while another thread does; and one that is not waited for. The library polls; liburcu 0.13 has call_rcu() for that.
#define _LGPL_SOURCE  // Read sections of liburcu without a call, as its documentation recommends.
#include <urcu/urcu-bp.h>
#include <urcu/urcu-mb.h>
#include <urcu/urcu-memb.h>
#include <urcu/urcu-qsbr.h>

#include "rcu/grace.h"

#include <benchmark/benchmark.h>

#include <atomic>
#include <cstdlib>
#include <thread>

// liburcu's headers declare these for the first flavour that a file includes.
extern "C" {
#define DECLARE(flavor)                                                                     \
  void urcu_##flavor##_call_rcu(struct rcu_head* head, void (*function)(struct rcu_head*)); \
  void urcu_##flavor##_barrier(void)
DECLARE(memb);
DECLARE(mb);
DECLARE(qsbr);
#undef DECLARE
}

namespace {

namespace grace = tenure::grace;

struct Ours {
  static void enrol() {}
  static void leave() {}
  static void section() {
    const grace::ReadSection section;
    benchmark::ClobberMemory();
  }
  static void quiescent() {}
  static void wait() { grace::synchronize(); }
};

// Flavours whose readers say where they begin and end.
#define FLAVOR(Name, flavor, announce)                                            \
  struct Name {                                                                   \
    static void enrol() { urcu_##flavor##_register_thread(); }                    \
    static void leave() { urcu_##flavor##_unregister_thread(); }                  \
    static void section() {                                                       \
      urcu_##flavor##_read_lock();                                                \
      benchmark::ClobberMemory();                                                 \
      urcu_##flavor##_read_unlock();                                              \
    }                                                                             \
    static void quiescent() { announce; }                                         \
    static void wait() { urcu_##flavor##_synchronize_rcu(); }                     \
    static void call(struct rcu_head* head, void (*function)(struct rcu_head*)) { \
      urcu_##flavor##_call_rcu(head, function);                                   \
    }                                                                             \
    static void barrier() { urcu_##flavor##_barrier(); }                          \
  }
FLAVOR(Memb, memb, (void)0);
FLAVOR(Mb, mb, (void)0);
FLAVOR(Bp, bp, (void)0);
FLAVOR(Qsbr, qsbr, urcu_qsbr_quiescent_state());
#undef FLAVOR

template <typename Way>
void read_section(benchmark::State& state) {
  Way::enrol();
  for (auto _ : state) Way::section();
  Way::leave();
}

// The price of a qsbr reader: it announces a quiescent state, here after each section.
void read_section_and_quiescent_state(benchmark::State& state) {
  Qsbr::enrol();
  for (auto _ : state) {
    Qsbr::section();
    Qsbr::quiescent();
  }
  Qsbr::leave();
}

template <typename Way>
void grace_period(benchmark::State& state) {
  for (auto _ : state) Way::wait();
}

// Another thread reads all the time.
template <typename Way>
void grace_period_beside_reader(benchmark::State& state) {
  std::atomic<bool> over{false}, begun{false};
  std::thread reader([&] {
    Way::enrol();
    begun = true;
    while (!over.load(std::memory_order_relaxed)) {
      Way::section();
      Way::quiescent();
    }
    Way::leave();
  });
  while (!begun) std::this_thread::yield();
  for (auto _ : state) Way::wait();
  over = true;
  reader.join();
}

// The looks that a grace period needs while nobody reads.
void start_and_poll(benchmark::State& state) {
  for (auto _ : state) {
    const grace::Cookie cookie = grace::start_poll();
    while (!grace::poll(cookie)) {
    }
  }
}

void start_poll_alone(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(grace::start_poll());
}

// The adding alone; the callbacks run on liburcu's thread, which takes CPU time beside.
template <typename Way>
void call_rcu_alone(benchmark::State& state) {
  constexpr size_t kHeads = 1 << 16;
  static struct rcu_head* const heads = new struct rcu_head[kHeads];
  Way::enrol();
  size_t at = 0;
  for (auto _ : state) {
    Way::call(&heads[at], [](struct rcu_head*) {});
    if (++at < kHeads) continue;
    state.PauseTiming();
    Way::barrier();
    at = 0;
    state.ResumeTiming();
  }
  Way::barrier();
  Way::leave();
}

}  // namespace

BENCHMARK(read_section<Ours>)->Threads(1)->Threads(2);
BENCHMARK(read_section<Memb>)->Threads(1)->Threads(2);
BENCHMARK(read_section<Mb>)->Threads(1)->Threads(2);
BENCHMARK(read_section<Bp>)->Threads(1)->Threads(2);
BENCHMARK(read_section_and_quiescent_state)->Threads(1)->Threads(2);
BENCHMARK(grace_period<Ours>)->UseRealTime();
BENCHMARK(grace_period<Memb>)->UseRealTime();
BENCHMARK(grace_period<Mb>)->UseRealTime();
BENCHMARK(grace_period<Bp>)->UseRealTime();
BENCHMARK(grace_period<Qsbr>)->UseRealTime();
BENCHMARK(grace_period_beside_reader<Ours>)->UseRealTime();
BENCHMARK(grace_period_beside_reader<Memb>)->UseRealTime();
BENCHMARK(grace_period_beside_reader<Mb>)->UseRealTime();
BENCHMARK(grace_period_beside_reader<Bp>)->UseRealTime();
BENCHMARK(grace_period_beside_reader<Qsbr>)->UseRealTime();
BENCHMARK(start_and_poll);
BENCHMARK(start_poll_alone);
BENCHMARK(call_rcu_alone<Memb>);
BENCHMARK(call_rcu_alone<Mb>);
BENCHMARK(call_rcu_alone<Bp>);
BENCHMARK(call_rcu_alone<Qsbr>);
BENCHMARK_MAIN();
