// As mixed_orders, but large arrays of random sizes, and each thread frees the half of the objects that its neighbour has allocated (the
// pattern of sh8bench): lists grow to many thousands of objects, in two orders and of two owners.
#include "programs/program.h"

#include <barrier>

namespace {

constexpr std::uint32_t kObjects = 200'000;

// Each thread's array; between barriers, the front half belongs to the thread before.
using Array = std::vector<void*>;

void fill(Array& array, bench::Random& random) {
  for (void*& object : array) {
    const std::uint32_t size = random.skewed(16, 1000);
    object = bench::allocate(size);
  }
}

void free_front(Array& array) {
  for (std::size_t i = 0; i < array.size() / 2; ++i) free(array[i]);
}
void free_back(Array& array) {
  for (std::size_t i = array.size(); i > array.size() / 2; --i) free(array[i - 1]);
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments = bench::parse(argc, argv);
  const std::uint64_t rounds = bench::scaled(20, arguments);
  std::vector<Array> arrays(arguments.threads, Array(kObjects / arguments.threads));
  std::barrier barrier(arguments.threads);
  bench::Timer timer;
  bench::run_threads(arguments.threads, [&](unsigned i) {
    bench::Random random(i);
    for (std::uint64_t round = 0; round < rounds; ++round) {
      fill(arrays[i], random);
      barrier.arrive_and_wait();
      free_front(arrays[(i + 1) % arguments.threads]);
      free_back(arrays[i]);
      barrier.arrive_and_wait();
    }
  });
  timer.report();
}
