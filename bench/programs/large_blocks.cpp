// Blocks of 1 to 16 MiB, a few live at a time, every page written: the allocator that gives memory
// back too eagerly pays a page fault for each page, the one that never does pays in peak memory.
#include "programs/program.h"

namespace {

constexpr std::uint32_t kLive = 16;
constexpr std::uint32_t kMiB = 1 << 20;
constexpr std::size_t kPage = 4096;

void run(unsigned index, std::uint64_t steps) {
  bench::Random random(index);
  void* live[kLive] = {};
  for (std::uint64_t step = 0; step < steps; ++step) {
    void*& block = live[random.below(kLive)];
    free(block);
    const std::size_t size = kMiB + random.below(15 * kMiB);
    block = bench::allocate(size);
    for (std::size_t at = 0; at < size; at += kPage) static_cast<volatile char*>(block)[at] = 1;
  }
  for (void* block : live) free(block);
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments = bench::parse(argc, argv);
  const std::uint64_t steps = bench::scaled(1500, arguments) / arguments.threads + 1;
  bench::Timer timer;
  bench::run_threads(arguments.threads, [&](unsigned i) { run(i, steps); });
  timer.report();
}
