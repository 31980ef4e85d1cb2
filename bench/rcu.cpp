// Freeing after a grace period of liburcu (memb): call_rcu() with free(), a batch made by hand, and tenure_free_rcu(); and what a read section
// and a grace period cost. A round allocates, frees and waits until everything is free. `held` is the most that a tenant was
// charged for: what waited, as no object is kept.
#define _LGPL_SOURCE  // Read sections without a call, as inside call_rcu().
#define URCU_API_MAP
#include <urcu/urcu-memb.h>

#include <tenure/rcu.h>

#include <benchmark/benchmark.h>

#include <cstdlib>

namespace {

constexpr int kObjects = 4'000'000;
constexpr int kHandBatch = 500;

struct tenure_tenant* tenant() {
  static struct tenure_tenant* const made = [] {
    struct tenure_tenant* result = nullptr;
    if (tenure_tenant_create(nullptr, "objects", 0, &result) != 0) std::abort();
    return result;
  }();
  return made;
}

void* object(size_t size) {
  void* const made = malloc(size);
  if (!made) std::abort();
  *static_cast<volatile char*>(made) = 1;
  return made;
}

// An object of `size` bytes must have room for the head.
void by_call_rcu(size_t size) {
  struct Headed {
    struct rcu_head head;
  };
  for (int i = 0; i < kObjects; ++i) {
    auto* const headed = static_cast<Headed*>(object(size + sizeof(Headed)));
    call_rcu(&headed->head, [](struct rcu_head* head) { free(head); });
  }
  rcu_barrier();
}

struct HandBatch {
  struct rcu_head head;
  void* objects[kHandBatch];
};

void by_hand(size_t size) {
  for (int i = 0; i < kObjects; i += kHandBatch) {
    auto* const batch = static_cast<HandBatch*>(object(sizeof(HandBatch)));
    for (void*& entry : batch->objects) entry = object(size);
    call_rcu(&batch->head, [](struct rcu_head* head) {
      auto* const full = reinterpret_cast<HandBatch*>(head);
      for (void* const entry : full->objects) free(entry);
      free(full);
    });
  }
  rcu_barrier();
}

void by_tenure(size_t size) {
  for (int i = 0; i < kObjects; ++i) tenure_free_rcu(object(size));
  tenure_rcu_barrier();
}

template <void (*kWay)(size_t)>
void freeing(benchmark::State& state) {
  rcu_register_thread();
  tenure_tenant_reset_peak(tenant());
  for (auto _ : state) {
    const struct tenure_scope outer = tenure_enter(tenant());
    kWay(static_cast<size_t>(state.range(0)));
    tenure_leave(outer);
  }
  struct tenure_tenant_stats stats = {};
  stats.struct_size = sizeof stats;
  tenure_tenant_stats(tenant(), &stats);
  state.SetItemsProcessed(state.iterations() * kObjects);
  state.counters["held_MiB"] = static_cast<double>(stats.peak) / (1 << 20);
  rcu_unregister_thread();
}

void read_section(benchmark::State& state) {
  rcu_register_thread();
  for (auto _ : state) {
    rcu_read_lock();
    benchmark::ClobberMemory();
    rcu_read_unlock();
  }
  rcu_unregister_thread();
}

void grace_period(benchmark::State& state) {
  for (auto _ : state) synchronize_rcu();
}

}  // namespace

#define ROW(way)          \
  BENCHMARK(freeing<way>) \
      ->Name(#way)        \
      ->Arg(64)           \
      ->Arg(1000)         \
      ->UseRealTime()     \
      ->Unit(benchmark::kMillisecond)
ROW(by_call_rcu);
ROW(by_hand);
ROW(by_tenure);
BENCHMARK(read_section);
BENCHMARK(grace_period)->UseRealTime();
BENCHMARK_MAIN();
