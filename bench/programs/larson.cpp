// A server whose threads come and go (after Larson and Krishnan, "Memory allocation for long-running
// server applications", 1998): a thread replaces random objects of a set it inherited, then hands the
// set to its successor and ends, so most objects are freed by another thread than their allocator.
#include "programs/program.h"

namespace {

constexpr std::uint32_t kLive = 2000;
constexpr std::uint32_t kReplacements = 10'000;  // of one generation
constexpr std::uint32_t kLow = 8;
constexpr std::uint32_t kHigh = 1000;

struct Connection {
  explicit Connection(std::uint64_t seed) : random(seed), objects(kLive) {}
  bench::Random random;
  std::vector<void*> objects;
};

void serve(Connection& connection) {
  for (std::uint32_t i = 0; i < kReplacements; ++i) {
    void*& object = connection.objects[connection.random.below(kLive)];
    free(object);
    object = bench::allocate(kLow + connection.random.below(kHigh - kLow));
  }
}

void run(unsigned index, std::uint64_t generations) {
  Connection connection(index);
  for (void*& object : connection.objects)
    object = bench::allocate(kLow + connection.random.below(kHigh - kLow));
  for (std::uint64_t generation = 0; generation < generations; ++generation)
    std::thread(serve, std::ref(connection)).join();
  for (void* object : connection.objects) free(object);
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments = bench::parse(argc, argv);
  const std::uint64_t generations = bench::scaled(1200, arguments) / arguments.threads + 1;
  bench::Timer timer;
  bench::run_threads(arguments.threads, [&](unsigned i) { run(i, generations); });
  timer.report();
}
