// One object at a time: allocated and freed at once, or replaced at random within a live set.
#include "micro/common.h"

#include <cstdlib>
#include <new>
#include <vector>

namespace {

using bench::escape;

void pair(benchmark::State& state) {
  const std::size_t size = state.range(0);
  for (auto _ : state) free(escape(malloc(size)));
  bench::set_items(state, 1);
}
BENCHMARK(pair)->Arg(16)->Arg(64)->Arg(256)->Arg(1024)->Arg(4096)->Arg(32768);

void new_delete(benchmark::State& state) {
  const std::size_t size = state.range(0);
  for (auto _ : state) operator delete(escape(operator new(size)));
  bench::set_items(state, 1);
}
BENCHMARK(new_delete)->Arg(16)->Arg(256);

void aligned_pair(benchmark::State& state) {
  const std::size_t alignment = state.range(0);
  const std::size_t size = state.range(1);
  for (auto _ : state) free(escape(aligned_alloc(alignment, size)));
  bench::set_items(state, 1);
}
BENCHMARK(aligned_pair)->Args({64, 64})->Args({4096, 4096});

// A live set of a fixed number of objects of 16 to 512 bytes; each step replaces one of them.
void churn(benchmark::State& state) {
  const std::uint32_t live = static_cast<std::uint32_t>(state.range(0));
  constexpr std::uint32_t kSteps = 1 << 14;  // drawn beforehand: the row measures the allocator
  struct Step {
    std::uint32_t slot;
    std::uint32_t size;
  };
  bench::Random random;
  std::vector<Step> steps(kSteps);
  for (Step& step : steps) step = {random.below(live), 16 + random.below(497)};
  std::vector<void*> slots(live);
  for (void*& slot : slots) slot = malloc(16 + random.below(497));

  std::uint32_t at = 0;
  for (auto _ : state) {
    const Step step = steps[at++ % kSteps];
    free(slots[step.slot]);
    void* p = escape(malloc(step.size));
    bench::touch(p);
    slots[step.slot] = p;
  }
  bench::set_items(state, 1);
  for (void* slot : slots) free(slot);
}
BENCHMARK(churn)->Arg(256)->Arg(4096);

}  // namespace
