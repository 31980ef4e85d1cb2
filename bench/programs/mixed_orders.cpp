// Runs of one size after the other, the smaller ones more often, until an array of pointers is full; then all are freed but a fifth,
// which moves on each time: those before it in the order of their allocation, those behind it in the opposite order (the pattern of
// sh6bench).
#include "programs/program.h"

namespace {

constexpr std::uint32_t kObjects = 5000;
constexpr std::uint32_t kKept = kObjects / 5;
constexpr std::uint32_t kLargest = 1000;

// Allocates into an array of pointers, in which the objects of one stretch stay when the array is full.
class Array {
public:
  ~Array() {
    for (void* object : objects_) free(object);
  }
  void add(std::uint32_t size) {
    objects_[at_++] = bench::allocate(size);
    if (at_ == kept_from_) at_ = kept_to_;
    if (at_ >= kObjects) free_most();
  }

private:
  void free_most() {
    kept_from_ = kept_to_ >= kObjects ? 0 : kept_to_;
    kept_to_ = kept_from_ + kKept;
    for (std::uint32_t i = 0; i < kept_from_; ++i) release(i);
    for (std::uint32_t i = kObjects; i > kept_to_; --i) release(i - 1);
    at_ = kept_from_ == 0 ? kept_to_ : 0;
  }
  void release(std::uint32_t i) {
    free(objects_[i]);
    objects_[i] = nullptr;
  }

  std::vector<void*> objects_ = std::vector<void*>(kObjects);
  std::uint32_t at_ = 0;
  std::uint32_t kept_from_ = kObjects;
  std::uint32_t kept_to_ = kObjects;
};

std::uint32_t repetitions(std::uint32_t size) { return size < 100 ? 50 : 10; }

void run(std::uint64_t rounds) {
  Array array;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    for (std::uint32_t top = 1; top < kLargest; top += top / 2 + 1) {
      for (std::uint32_t size = top; size != 0; size /= 2) {
        for (std::uint32_t i = repetitions(size); i != 0; --i) array.add(size);
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments = bench::parse(argc, argv);
  const std::uint64_t rounds = bench::scaled(10'000, arguments) / arguments.threads;
  bench::Timer timer;
  bench::run_threads(arguments.threads, [&](unsigned) { run(rounds); });
  timer.report();
}
