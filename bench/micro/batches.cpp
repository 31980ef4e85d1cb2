// Many objects allocated and touched, then all freed in a given order. Nanoseconds per object.
#include "micro/common.h"

#include <cstdlib>
#include <numeric>
#include <utility>
#include <vector>

namespace {

enum class Order { kLifo, kFifo, kRandom };

std::vector<std::uint32_t> free_order(Order order, std::uint32_t count) {
  std::vector<std::uint32_t> indices(count);
  std::iota(indices.begin(), indices.end(), 0u);
  if (order == Order::kLifo) {
    for (std::uint32_t i = 0; i < count; ++i) indices[i] = count - 1 - i;
  } else if (order == Order::kRandom) {
    bench::Random random;
    for (std::uint32_t i = count - 1; i > 0; --i)
      std::swap(indices[i], indices[random.below(i + 1)]);
  }
  return indices;
}

// Every order goes through the index array, so that the harness costs the same in each.
void batch(benchmark::State& state, Order order, std::uint32_t count) {
  const std::size_t size = state.range(0);
  const std::vector<std::uint32_t> indices = free_order(order, count);
  std::vector<void*> objects(count);
  for (auto _ : state) {
    for (void*& object : objects) {
      object = malloc(size);
      bench::touch(object);
    }
    for (const std::uint32_t index : indices) free(objects[index]);
  }
  bench::set_items(state, count);
}

void batch1000_lifo(benchmark::State& state) { batch(state, Order::kLifo, 1000); }
void batch1000_fifo(benchmark::State& state) { batch(state, Order::kFifo, 1000); }
void batch1000_random(benchmark::State& state) { batch(state, Order::kRandom, 1000); }
void batch100k_random(benchmark::State& state) { batch(state, Order::kRandom, 100'000); }

BENCHMARK(batch1000_lifo)->Arg(16)->Arg(64)->Arg(256)->Arg(1024);
BENCHMARK(batch1000_fifo)->Arg(16)->Arg(64)->Arg(256)->Arg(1024);
BENCHMARK(batch1000_random)->Arg(16)->Arg(64)->Arg(256)->Arg(1024);
BENCHMARK(batch100k_random)->Arg(64)->Arg(256);

}  // namespace
