// How long single calls of malloc take in a service: each thread replaces random ones of its live objects, and every tenth object is
// another thread's to free. Prints the time that all but one in a thousand calls stay below, and the longest. The clock's own time, some
// 20 ns, is part of each.
#include "programs/program.h"

#include <array>
#include <atomic>
#include <bit>

namespace {

constexpr std::uint32_t kLive = 20'000;
constexpr std::uint32_t kShared = 1000;

// Eight buckets to a doubling: within 6 % of the true value.
class Histogram {
public:
  void add(std::uint64_t ns) {
    ++counts_[bucket(ns)];
    ++all_;
    if (ns > longest_) longest_ = ns;
  }
  void add(const Histogram& other) {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    all_ += other.all_;
    if (other.longest_ > longest_) longest_ = other.longest_;
  }
  std::uint64_t longest() const { return longest_; }
  // The upper end of the bucket below which all but one in `share` lie.
  std::uint64_t all_but_one_in(std::uint64_t share) const {
    std::uint64_t above = 0;
    std::size_t i = counts_.size();
    while (i > 0 && (above += counts_[i - 1]) <= all_ / share) --i;
    return end(i == 0 ? 0 : i - 1);
  }

private:
  static std::size_t bucket(std::uint64_t ns) {
    if (ns < 8) return ns;
    const auto shift = static_cast<unsigned>(std::bit_width(ns)) - 4;
    return shift * 8 + (ns >> shift);
  }
  static std::uint64_t end(std::size_t bucket) {
    if (bucket < 16) return bucket;
    const std::size_t shift = bucket / 8 - 1;
    return (bucket % 8 + 9) << shift;
  }

  std::array<std::uint64_t, 512> counts_{};
  std::uint64_t all_ = 0;
  std::uint64_t longest_ = 0;
};

std::atomic<void*> shared[kShared];

void* timed_allocate(std::uint32_t size, Histogram& histogram) {
  const auto begin = std::chrono::steady_clock::now();
  void* const object = bench::escape(malloc(size));
  const std::chrono::nanoseconds took = std::chrono::steady_clock::now() - begin;
  histogram.add(static_cast<std::uint64_t>(took.count()));
  std::memset(object, 1, size < 64 ? size : 64);
  return object;
}

void run(unsigned index, std::uint64_t steps, Histogram& histogram) {
  bench::Random random(index);
  std::vector<void*> live(kLive);
  Histogram warm_up;
  for (void*& object : live) object = timed_allocate(random.skewed(16, 65'536), warm_up);
  for (std::uint64_t step = 0; step < steps; ++step) {
    void*& object = live[random.below(kLive)];
    // Acquire and release: contents travel with the pointer, both ways.
    if (step % 10 == 0)
      object = shared[random.below(kShared)].exchange(object, std::memory_order_acq_rel);
    free(object);
    object = timed_allocate(random.skewed(16, 65'536), histogram);
  }
  for (void* object : live) free(object);
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments = bench::parse(argc, argv);
  const std::uint64_t steps = bench::scaled(10'000'000, arguments) / arguments.threads;
  std::vector<Histogram> histograms(arguments.threads);
  bench::Timer timer;
  bench::run_threads(arguments.threads, [&](unsigned i) { run(i, steps, histograms[i]); });
  timer.report();
  for (std::atomic<void*>& object : shared) free(object.load(std::memory_order_relaxed));
  Histogram all;
  for (const Histogram& histogram : histograms) all.add(histogram);
  std::printf("p99.9 ns %llu\n", static_cast<unsigned long long>(all.all_but_one_in(1000)));
  std::printf("longest us %.1f\n", static_cast<double>(all.longest()) / 1000);
}
