// What every micro-benchmark shares: keeping allocations alive for the optimiser, a cheap random
// source, and the convention that a row reports the items it processed (run.py turns items per
// second into nanoseconds per item).
#pragma once

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "random.h"

namespace bench {

constexpr std::size_t kKiB = 1024;
constexpr std::size_t kMiB = 1024 * kKiB;
constexpr std::size_t kPage = 4 * kKiB;

// The pointer stays in a register: benchmark::DoNotOptimize on an lvalue may push it through the
// stack with GCC, which adds a store-to-load latency to every pair.
template <typename T>
inline T* escape(T* p) {
  asm volatile("" : "+r"(p) : : "memory");
  return p;
}

inline void touch(void* p) { *static_cast<volatile char*>(p) = 1; }

// One byte a page: makes the memory resident without measuring memset.
inline void touch_pages(void* p, std::size_t size) {
  volatile char* bytes = static_cast<volatile char*>(p);
  for (std::size_t at = 0; at < size; at += kPage) bytes[at] = 1;
}

inline void set_items(benchmark::State& state, std::size_t per_iteration) {
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * per_iteration));
}

}  // namespace bench
