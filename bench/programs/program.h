// What the synthetic programs share: arguments, threads, a random source, and the one line of output
// that run.py reads. The work is fixed and the time is measured, so that peak memory compares too.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "random.h"

namespace bench {

// The compiler may not assume anything about the pointer, nor drop the allocation.
template <typename T>
inline T* escape(T* p) {
  asm volatile("" : "+r"(p) : : "memory");
  return p;
}

// First and last byte: what a program that uses the object would at least do.
inline void* allocate(std::size_t size) {
  char* p = escape(static_cast<char*>(malloc(size)));
  if (p == nullptr) {
    std::fputs("out of memory\n", stderr);
    std::exit(1);
  }
  p[0] = 1;
  p[size - 1] = 1;
  return p;
}

struct Arguments {
  unsigned threads = 1;
  unsigned scale = 100;  // per cent of the usual work
};

inline Arguments parse(int argc, char** argv) {
  Arguments arguments;
  if (argc > 1) arguments.threads = static_cast<unsigned>(std::atoi(argv[1]));
  if (argc > 2) arguments.scale = static_cast<unsigned>(std::atoi(argv[2]));
  if (argc > 3 || arguments.threads == 0 || arguments.scale == 0) {
    std::fprintf(stderr, "usage: %s [threads] [per cent of the work]\n", argv[0]);
    std::exit(2);
  }
  return arguments;
}

inline std::uint64_t scaled(std::uint64_t work, const Arguments& arguments) {
  const std::uint64_t result = work * arguments.scale / 100;
  return result == 0 ? 1 : result;
}

template <typename Body>
void run_threads(unsigned count, Body body) {
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < count; ++i) threads.emplace_back(body, i);
  for (std::thread& thread : threads) thread.join();
}

class Timer {
public:
  Timer() : start_(std::chrono::steady_clock::now()) {}
  void report() const {
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start_;
    std::printf("seconds %.6f\n", elapsed.count());
  }

private:
  std::chrono::steady_clock::time_point start_;
};

}  // namespace bench
