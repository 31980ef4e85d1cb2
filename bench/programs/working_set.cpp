// A working set per thread in which a random object is freed and another allocated, with the number
// of objects of a size falling with its square (the distribution of glibc's bench-malloc-thread).
#include "programs/program.h"

namespace {

constexpr std::uint32_t kLive = 1024;
constexpr std::uint32_t kLow = 4;
constexpr std::uint32_t kHigh = 32768;

// P(size > x) ~ 1/x: the inverse of a uniform number, cut at both ends.
std::uint32_t draw_size(bench::Random& random) {
  const std::uint32_t divisor = 1 + random.below(kHigh / kLow);
  return kHigh / divisor;
}

void run(unsigned index, std::uint64_t steps) {
  bench::Random random(index);
  std::vector<std::uint32_t> sizes(8192);  // drawn beforehand: divisions are not the subject
  for (std::uint32_t& size : sizes) size = draw_size(random);
  std::vector<void*> live(kLive);
  for (std::uint64_t step = 0; step < steps; ++step) {
    void*& object = live[random.below(kLive)];
    free(object);
    object = bench::allocate(sizes[step % sizes.size()]);
  }
  for (void* object : live) free(object);
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments = bench::parse(argc, argv);
  const std::uint64_t steps = bench::scaled(60'000'000, arguments) / arguments.threads;
  bench::Timer timer;
  bench::run_threads(arguments.threads, [&](unsigned i) { run(i, steps); });
  timer.report();
}
