// bench_upkeep SHAPE THREADS MIB SIZE SECONDS: allocates MIB of blocks of SIZE bytes, frees them, says "freed", and goes on for SECONDS: `idle`,
// `tick` (a malloc and a free ten times a second), or `busy` (malloc and free of a few small blocks, without a pause). With more
// than one thread the others are at rest, and the burst is in one of them. At the end "longest <ms>" of 50 batches of 200 mallocs and
// frees, spread over the time (but where it is idle).
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void burst(size_t bytes, size_t size) {
  std::vector<void*> blocks(bytes / size);
  for (void*& block : blocks) block = std::memset(std::malloc(size), 1, size);
  for (void* block : blocks) std::free(block);
}

double batch() {
  void* blocks[200];
  const auto start = Clock::now();
  for (void*& block : blocks) block = std::malloc(3000);
  for (void* block : blocks) std::free(block);
  return seconds_since(start);
}

// The longest batch.
double go_on(const char* shape, double seconds) {
  const auto start = Clock::now();
  const bool busy = std::strcmp(shape, "busy") == 0, tick = std::strcmp(shape, "tick") == 0;
  double longest = 0, last_batch = 0;
  while (seconds_since(start) < seconds) {
    if (busy) {
      for (int i = 0; i < 100000; ++i) std::free(std::malloc(48));
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      if (tick) std::free(std::malloc(1));
    }
    if (!busy || seconds_since(start) - last_batch < seconds / 50) continue;
    last_batch = seconds_since(start);
    const double took = batch();
    if (took > longest) longest = took;
  }
  return longest;
}

}  // namespace

int main(int count, char** words) {
  if (count != 6) return 2;
  const int threads = std::atoi(words[2]);
  const size_t bytes = std::strtoull(words[3], nullptr, 10) << 20;
  const size_t size = std::strtoull(words[4], nullptr, 10);
  const double seconds = std::atof(words[5]);
  std::vector<std::thread> others;
  if (threads > 1) std::thread(burst, bytes, size).join();
  for (int i = 1; i < threads; ++i) {
    others.emplace_back(
        [seconds] { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); });
  }
  if (threads == 1) burst(bytes, size);
  std::puts("freed");
  std::fflush(stdout);
  std::printf("longest %.3f\n", 1e3 * go_on(words[1], seconds));
  for (std::thread& other : others) other.join();
}
