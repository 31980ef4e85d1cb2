// Threads with sets of their own that now and then swap an object with a shared table (the idea of
// mimalloc's stress test): much local reuse, some frees across threads, sizes of all kinds, and sets
// that shrink to nothing between the rounds. Contents are checked when an object is freed.
#include "programs/program.h"

#include <atomic>

namespace {

constexpr std::uint64_t kCookie = 0xbf58476d1ce4e5b9;
constexpr std::uint32_t kShared = 1000;
constexpr unsigned kRounds = 10;

struct Object {
  std::uint64_t words;
  std::uint64_t cookies[1];  // `words` of them
};

std::atomic<Object*> shared[kShared];

Object* make(bench::Random& random) {
  std::uint32_t words = random.skewed(1, 256);
  if (random.below(1000) == 0)
    words = 4096 + random.below(28'000);  // up to 256 KiB, one in a thousand
  Object* object = static_cast<Object*>(bench::allocate(sizeof(std::uint64_t) * (words + 1)));
  object->words = words;
  for (std::uint32_t i = 0; i < words; ++i) object->cookies[i] = kCookie ^ (words - i);
  return object;
}

void drop(Object* object) {
  if (object == nullptr) return;
  const std::uint64_t words = object->words;
  for (std::uint64_t i = 0; i < words; ++i) {
    if (object->cookies[i] != (kCookie ^ (words - i))) {
      std::fputs("exchange: an object was overwritten\n", stderr);
      std::abort();
    }
  }
  free(object);
}

void run(unsigned index, std::uint64_t steps) {
  bench::Random random(index);
  std::vector<Object*> kept;
  for (std::uint64_t step = 0; step < steps; ++step) {
    const std::uint32_t choice = random.below(100);
    if (choice < 50 || kept.empty()) {
      kept.push_back(make(random));
    } else {
      Object*& victim = kept[random.below(static_cast<std::uint32_t>(kept.size()))];
      if (choice < 60) {
        // Acquire and release: contents travel with the pointer, both ways.
        victim = shared[random.below(kShared)].exchange(victim, std::memory_order_acq_rel);
      } else {
        drop(victim);
        victim = kept.back();
        kept.pop_back();
      }
    }
  }
  for (Object* object : kept) drop(object);
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments = bench::parse(argc, argv);
  const std::uint64_t steps = bench::scaled(600'000, arguments) / arguments.threads;
  bench::Timer timer;
  for (unsigned round = 0; round < kRounds; ++round) {
    bench::run_threads(arguments.threads, [&](unsigned i) { run(round * 100 + i, steps); });
    for (std::uint32_t i = round % 2; i < kShared; i += 2)  // half of the table outlives the round
      drop(shared[i].exchange(nullptr, std::memory_order_relaxed));
  }
  for (std::atomic<Object*>& object : shared)
    drop(object.exchange(nullptr, std::memory_order_relaxed));
  timer.report();
}
