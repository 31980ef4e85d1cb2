// A buffer that doubles from 16 bytes to a limit, and is freed. Nanoseconds per realloc.
#include "micro/common.h"

#include <cstdlib>

namespace {

enum class Fill { kLastByte, kPages };

void grow(benchmark::State& state, Fill fill) {
  const std::size_t limit = state.range(0);
  std::size_t steps = 0;
  for (std::size_t size = 16; size < limit; size *= 2) ++steps;
  for (auto _ : state) {
    std::size_t size = 16;
    char* p = static_cast<char*>(malloc(size));
    while (size < limit) {
      p = bench::escape(static_cast<char*>(realloc(p, size * 2)));
      if (fill == Fill::kPages)
        bench::touch_pages(p + size, size);
      else
        bench::touch(p + size);
      size *= 2;
    }
    free(p);
  }
  bench::set_items(state, steps);
}

// Hardly touched: what the allocator itself does (a move by mremap beats any copy).
void realloc_grow(benchmark::State& state) { grow(state, Fill::kLastByte); }
BENCHMARK(realloc_grow)->Arg(4 * bench::kKiB)->Arg(bench::kMiB)->Arg(64 * bench::kMiB);

// Every page used, as a buffer that is appended to: here warm memory can beat a fresh mapping.
void realloc_append(benchmark::State& state) { grow(state, Fill::kPages); }
BENCHMARK(realloc_append)->Arg(bench::kMiB)->Arg(64 * bench::kMiB);

// A buffer that grows by a 64th of the limit each time, and is touched there.
void realloc_step(benchmark::State& state) {
  const std::size_t limit = state.range(0), step = limit / 64;
  for (auto _ : state) {
    char* p = static_cast<char*>(malloc(step));
    for (std::size_t size = 2 * step; size <= limit; size += step) {
      p = bench::escape(static_cast<char*>(realloc(p, size)));
      bench::touch(p + size - 1);
    }
    free(p);
  }
  bench::set_items(state, 63);
}
BENCHMARK(realloc_step)->Arg(16 * bench::kKiB)->Arg(bench::kMiB);

}  // namespace
