#include "allocator/caches/reaper.h"
#include "allocator/fronts/drain.h"

#include "allocator/fronts/front.h"
#include "tests/allocator/heap_support.h"

namespace tenure {
namespace {

class DrainTest : public HeapTest {
protected:
  static uint64_t in_fronts() {
    HeapStatistics statistics;
    collect_statistics(statistics);
    uint64_t objects = 0;
    for (const ClassStatistics& c : statistics.classes) objects += c.in_fronts;
    return objects;
  }
};

TEST_F(DrainTest, FrontsAreEmptyAndUsableAfterwards) {
  std::vector<void*> held;
  for (size_t size = 16; size <= kLargestSmall; size *= 2) {
    for (int i = 0; i < 20; ++i) held.push_back(allocate(size));
  }
  for (void* object : held) deallocate(object);
  EXPECT_GT(in_fronts(), 0u);
  drain_fronts();
  EXPECT_EQ(in_fronts(), 0u);
  EXPECT_EQ(validate_heap(), nullptr);
  drain_fronts();
  void* object = allocate(64);
  ASSERT_NE(object, nullptr);
  deallocate(object);
  EXPECT_GT(in_fronts(), 0u);
}

TEST_F(DrainTest, ReachesTheFrontsOfOtherCpusAndThreads) {
  run_threads(4, [](int i) {
    move_to_cpu(static_cast<uint32_t>(i));
    std::vector<void*> held;
    for (int k = 0; k < 100; ++k) held.push_back(allocate(128));
    for (void* object : held) deallocate(object);
  });
  drain_fronts();
  EXPECT_EQ(in_fronts(), 0u);
}

TEST_F(DrainTest, ForkChildOpensWhatAVanishedDrainerStopped) {
  void* object = allocate(64);
  deallocate(object);
  // Outside of a drain there is nothing to repair, whatever the words say.
  repair_fronts_after_fork();
  EXPECT_EQ(validate_heap(), nullptr);
  EXPECT_GT(in_fronts(), 0u);
}

// Stamped objects, the same classes in all threads, some of which move between CPUs, while fronts are drained without a pause.
class DrainUnderLoad : public DrainTest {
protected:
  static constexpr size_t kSizes[] = {16, 48, 256, 1024, 4096, 20000};

  void work(int id, uint32_t rounds, bool moves) {
    Random random{static_cast<uint64_t>(id) + 1};
    move_to_cpu(static_cast<uint32_t>(id));
    std::vector<Stamped> held;
    for (uint32_t round = 0; round < rounds; ++round) {
      if (moves && round % 64 == 0) move_to_cpu(random.next());
      if (held.size() < 200 && random.below(2) == 0) {
        const size_t size = kSizes[random.below(std::size(kSizes))];
        void* const object = allocate(size);
        if (object == nullptr) {
          ++wrong_;
          continue;
        }
        held.emplace_back(object, size, random.next());
      } else if (!held.empty()) {
        std::swap(held[random.below(static_cast<uint32_t>(held.size()))], held.back());
        if (!held.back().intact()) ++wrong_;
        deallocate(held.back().object());
        held.pop_back();
      }
    }
    for (const Stamped& stamped : held) {
      if (!stamped.intact()) ++wrong_;
      deallocate(stamped.object());
    }
  }

  void run(bool moves, int drainers) {
    std::atomic<bool> stop{false};
    std::vector<std::thread> drains;
    for (int i = 0; i < drainers; ++i) {
      drains.emplace_back([&] {
        do drain_fronts();
        while (!stop.load());
      });
    }
    run_threads(4, [&](int id) { work(id, 40000, moves); });
    stop = true;
    for (std::thread& drain : drains) drain.join();
    EXPECT_EQ(wrong_.load(), 0u);
    ASSERT_EQ(validate_heap(), nullptr);
    trim();
    HeapStatistics statistics;
    collect_statistics(statistics);
    for (const size_t size : kSizes) {
      const ClassStatistics& c = statistics.classes[index_of(class_of(size))];
      EXPECT_EQ(c.carved, 0u) << "objects of class " << size << " were lost";
      EXPECT_EQ(c.slabs, 0u);
    }
  }

  std::atomic<uint32_t> wrong_{0};
};

TEST_F(DrainUnderLoad, PinnedThreads) { run(false, 1); }
TEST_F(DrainUnderLoad, MigratingThreads) { run(true, 1); }
TEST_F(DrainUnderLoad, DrainersAtOnce) { run(true, 3); }

}  // namespace
}  // namespace tenure
