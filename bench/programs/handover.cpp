// One half of the threads only allocates, the other half only frees (the pattern of xmalloc-test):
// batches of pointers go through a bounded queue, and so does the memory, in one direction only.
#include "programs/program.h"

#include <condition_variable>
#include <mutex>

namespace {

constexpr std::uint32_t kBatch = 128;
constexpr std::size_t kQueueLimit = 64;
constexpr std::uint32_t kSizes[] = {16, 32, 48, 64, 96, 160, 256, 512, 1000, 2000};

struct Batch {
  void* objects[kBatch];
};

// A lock once a batch: its price is shared by 256 calls of the allocator.
class Queue {
public:
  void push(Batch* batch) {
    std::unique_lock<std::mutex> lock(mutex_);
    not_full_.wait(lock, [this] { return count_ < kQueueLimit; });
    batches_[(first_ + count_++) % kQueueLimit] = batch;
    not_empty_.notify_one();
  }
  Batch* pop() {
    std::unique_lock<std::mutex> lock(mutex_);
    not_empty_.wait(lock, [this] { return count_ > 0; });
    Batch* batch = batches_[first_];
    first_ = (first_ + 1) % kQueueLimit;
    --count_;
    not_full_.notify_one();
    return batch;
  }

private:
  std::mutex mutex_;  // protects all below
  std::condition_variable not_full_;
  std::condition_variable not_empty_;
  Batch* batches_[kQueueLimit] = {};
  std::size_t first_ = 0;
  std::size_t count_ = 0;
};

void produce(Queue& queue, unsigned index, std::uint64_t batches) {
  bench::Random random(index);
  for (std::uint64_t i = 0; i < batches; ++i) {
    Batch* batch = static_cast<Batch*>(bench::allocate(sizeof(Batch)));
    for (void*& object : batch->objects)
      object = bench::allocate(kSizes[random.below(std::size(kSizes))]);
    queue.push(batch);
  }
}

void consume(Queue& queue, std::uint64_t batches) {
  for (std::uint64_t i = 0; i < batches; ++i) {
    Batch* batch = queue.pop();
    for (void* object : batch->objects) free(object);
    free(batch);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments = bench::parse(argc, argv);
  const unsigned pairs = (arguments.threads + 1) / 2;
  const std::uint64_t batches = bench::scaled(60'000, arguments) / pairs;
  Queue queue;  // one for all pairs: memory wanders between all threads
  bench::Timer timer;
  bench::run_threads(2 * pairs, [&](unsigned i) {
    if (i % 2 == 0)
      produce(queue, i, batches);
    else
      consume(queue, batches);
  });
  timer.report();
}
