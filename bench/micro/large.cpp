// Large objects, and calloc: where page faults and zeroing weigh more than the allocator's own code.
#include "micro/common.h"

#include <cstdlib>
#include <vector>

namespace {

using bench::kKiB;
using bench::kMiB;

void large_pair(benchmark::State& state) {
  const std::size_t size = state.range(0);
  for (auto _ : state) free(bench::escape(malloc(size)));
  bench::set_items(state, 1);
}
BENCHMARK(large_pair)->Arg(64 * kKiB)->Arg(256 * kKiB)->Arg(kMiB)->Arg(8 * kMiB)->Arg(64 * kMiB);

void large_touched(benchmark::State& state) {
  const std::size_t size = state.range(0);
  for (auto _ : state) {
    void* p = bench::escape(malloc(size));
    bench::touch_pages(p, size);
    free(p);
  }
  bench::set_items(state, 1);
}
BENCHMARK(large_touched)->Arg(kMiB)->Arg(8 * kMiB);

// Each page is touched: a lazy fresh mapping would otherwise win without handing out memory.
void calloc_touched(benchmark::State& state) {
  const std::size_t size = state.range(0);
  for (auto _ : state) {
    void* p = bench::escape(calloc(1, size));
    bench::touch_pages(p, size);
    free(p);
  }
  bench::set_items(state, 1);
}
BENCHMARK(calloc_touched)->Arg(64)->Arg(4 * kKiB)->Arg(64 * kKiB);

// 64 live objects of 64 KiB to 8 MiB, each power of two equally likely; each step replaces one.
class LiveSet {
public:
  explicit LiveSet(bool touch_all) : touch_all_(touch_all), slots_(64) {
    for (void*& slot : slots_) slot = allocate();
    // Untimed steps: the heap has reached its size, and the row is not that of its growth.
    for (int i = 0; i < 1000; ++i) step();
  }
  ~LiveSet() {
    for (void* slot : slots_) free(slot);
  }
  void step() {
    void*& slot = slots_[random_.below(64)];
    free(slot);
    slot = allocate();
  }

private:
  void* allocate() {
    const std::size_t base = 64 * kKiB << random_.below(7);
    const std::size_t size = base + random_.below(static_cast<std::uint32_t>(base));
    void* p = bench::escape(malloc(size));
    bench::touch_pages(p, touch_all_ ? size : 1);
    return p;
  }

  const bool touch_all_;
  bench::Random random_;
  std::vector<void*> slots_;
};

void run_live(benchmark::State& state, bool touch_all) {
  LiveSet live(touch_all);
  for (auto _ : state) live.step();
  bench::set_items(state, 1);
}

void large_live(benchmark::State& state) { run_live(state, false); }
void large_live_touched(benchmark::State& state) { run_live(state, true); }
BENCHMARK(large_live);
BENCHMARK(large_live_touched);

}  // namespace
