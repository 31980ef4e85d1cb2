#include "allocator/heap/heap.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include <algorithm>
#include <set>

#include "tests/allocator/heap_support.h"

namespace tenure {
namespace {

class HeapFunctions : public HeapTest {};

TEST_F(HeapFunctions, EverySizeUpToTheLargest) {
  std::vector<Stamped> held;
  for (size_t size = 0; size <= 3 * kLargestSmall; size += size < 300 ? 1 : 97) {
    void* const object = allocate(size);
    ASSERT_NE(object, nullptr) << size;
    ASSERT_EQ(reinterpret_cast<uintptr_t>(object) % kMinAlignment, 0u);
    ASSERT_GE(usable_size(object), size);
    held.emplace_back(object, usable_size(object), size);
  }
  EXPECT_EQ(validate_heap(), nullptr);
  for (const Stamped& stamped : held) {
    ASSERT_TRUE(stamped.intact());
    deallocate(stamped.object());
  }
}

TEST_F(HeapFunctions, SizeZeroGivesDistinctObjects) {
  std::set<void*> seen;
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(seen.insert(allocate(0)).second);
  for (void* object : seen) deallocate(object);
}

TEST_F(HeapFunctions, NullIsNothing) {
  deallocate(nullptr);
  EXPECT_EQ(usable_size(nullptr), 0u);
}

TEST_F(HeapFunctions, ImpossibleSizesSetErrnoOnly) {
  for (const size_t size :
       {size_t{1} << 45, size_t{1} << 47, static_cast<size_t>(PTRDIFF_MAX), SIZE_MAX}) {
    errno = 0;
    EXPECT_EQ(allocate(size), nullptr) << size;
    EXPECT_EQ(errno, ENOMEM);
    errno = 0;
    EXPECT_EQ(allocate_zeroed(size), nullptr) << size;
    EXPECT_EQ(errno, ENOMEM);
    errno = 0;
    EXPECT_EQ(allocate_aligned(size, 4096), nullptr) << size;
    EXPECT_EQ(errno, ENOMEM);
    for (const size_t old_size : {size_t{100}, 2 * kLargestSmall}) {
      void* const object = allocate(old_size);
      const Stamped stamped(object, old_size, 1);
      errno = 0;
      EXPECT_EQ(reallocate(object, size), nullptr) << size;
      EXPECT_EQ(errno, ENOMEM);
      EXPECT_TRUE(stamped.intact());
      EXPECT_GE(usable_size(object), old_size);
      deallocate(object);
    }
  }
}

TEST_F(HeapFunctions, KeepsErrno) {
  errno = 4711;
  std::vector<void*> held;
  for (int i = 0; i < 2000; ++i) held.push_back(allocate(static_cast<size_t>(i) * 40));
  for (void* object : held) deallocate(object);
  EXPECT_EQ(errno, 4711);
}

TEST_F(HeapFunctions, ZeroedMemoryIsZeroAfterUse) {
  std::vector<size_t> sizes = {100, 4096, 32768, 32769, 300000};
  for (size_t size = 0; size <= 80; ++size) sizes.push_back(size);
  for (const size_t size : sizes) {
    for (int round = 0; round < 3; ++round) {
      auto* const object = static_cast<unsigned char*>(allocate_zeroed(size));
      ASSERT_NE(object, nullptr);
      for (size_t i = 0; i < size; ++i) ASSERT_EQ(object[i], 0) << size << " " << i;
      memset(object, 0xff, usable_size(object));
      deallocate(object);
    }
  }
}

TEST_F(HeapFunctions, EveryAlignment) {
  std::vector<Stamped> held;
  for (size_t alignment = 1; alignment <= 64 * kMiB; alignment *= 2) {
    for (const size_t size : {size_t{0}, size_t{1}, size_t{24}, alignment, size_t{5000},
                              size_t{32768}, size_t{100000}}) {
      void* const object = allocate_aligned(size, alignment);
      ASSERT_NE(object, nullptr) << size << " " << alignment;
      ASSERT_EQ(reinterpret_cast<uintptr_t>(object) % alignment, 0u) << size << " " << alignment;
      ASSERT_GE(usable_size(object), size);
      held.emplace_back(object, size, alignment);
    }
  }
  for (const Stamped& stamped : held) {
    ASSERT_TRUE(stamped.intact());
    deallocate(stamped.object());
  }
}

TEST_F(HeapFunctions, ReallocateKeepsContents) {
  const size_t sizes[] = {1, 16, 17, 100, 1000, 5000, 32768, 32769, 65536, 65537, 700000, 3000000};
  for (const size_t from : sizes) {
    for (const size_t to : sizes) {
      auto* object = static_cast<unsigned char*>(allocate(from));
      for (size_t i = 0; i < from; ++i) object[i] = static_cast<unsigned char>(i * 7 + from);
      object = static_cast<unsigned char*>(reallocate(object, to));
      ASSERT_NE(object, nullptr);
      ASSERT_GE(usable_size(object), to);
      for (size_t i = 0; i < std::min(from, to); ++i) {
        ASSERT_EQ(object[i], static_cast<unsigned char>(i * 7 + from))
            << from << " " << to << " " << i;
      }
      const Stamped stamped(object, to, 1);
      ASSERT_TRUE(stamped.intact());
      deallocate(object);
    }
  }
}

TEST_F(HeapFunctions, ReallocateStaysWhereItFits) {
  void* const object = allocate(100);
  EXPECT_EQ(reallocate(object, usable_size(object)), object);
  EXPECT_EQ(reallocate(object, usable_size(object) / 2), object);
  deallocate(object);
}

// A buffer that grows is given room beyond half a granule: it goes on growing where it lies.
TEST_F(HeapFunctions, ReallocateGrowsIntoAGranule) {
  void* object = allocate(12 * kKiB);
  memset(object, 7, 12 * kKiB);
  object = reallocate(object, 17 * kKiB);
  ASSERT_NE(object, nullptr);
  EXPECT_EQ(usable_size(object), kGranuleSize);
  EXPECT_EQ(reallocate(object, 20 * kKiB), object);
  EXPECT_EQ(reallocate(object, kGranuleSize), object);
  EXPECT_EQ(reallocate(object, 17 * kKiB), object);
  EXPECT_EQ(validate_heap(), nullptr);
  // Less than half of it is worth a move.
  object = reallocate(object, 10 * kKiB);
  EXPECT_EQ(usable_size(object), class_size(class_of(10 * kKiB)));
  for (size_t i = 0; i < 10 * kKiB; ++i) ASSERT_EQ(static_cast<char*>(object)[i], 7);
  deallocate(object);
}

TEST_F(HeapFunctions, UsableSizeStaysTheSame) {
  void* const object = allocate(100);
  const size_t usable = usable_size(object);
  memset(object, 0xff, usable);
  EXPECT_EQ(usable_size(object), usable);
  deallocate(object);
}

TEST_F(HeapFunctions, FreedMemoryIsReused) {
  std::set<void*> seen;
  for (int i = 0; i < 10000; ++i) {
    void* const object = allocate(64);
    seen.insert(object);
    deallocate(object);
  }
  EXPECT_LT(seen.size(), 2000u);
}

TEST_F(HeapFunctions, ClearsMemoryOnFreeAtTheHardenedLevel) {
  if (!arena.hardened) GTEST_SKIP() << "only at the hardened level";
  auto* const object = static_cast<uint64_t*>(allocate(128));
  memset(object, 0xff, 128);
  deallocate(object);
  for (int i = 2; i < 16; ++i) EXPECT_EQ(object[i], 0u) << i;  // Behind the links.
}

TEST_F(HeapFunctions, ClearsLargeObjectsAtTheHardenedLevel) {
  if (!arena.hardened) GTEST_SKIP() << "only at the hardened level";
  constexpr size_t kWhole = 4 * kGranuleSize, kRest = 2 * kGranuleSize;
  auto* const object = static_cast<char*>(allocate(kWhole));
  memset(object, 0xff, kWhole);
  ASSERT_EQ(reallocate(object, kRest), object);
  EXPECT_EQ(std::count(object + kRest, object + kWhole, 0), ptrdiff_t{kWhole - kRest});
  deallocate(object);
  EXPECT_EQ(std::count(object, object + kRest, 0), ptrdiff_t{kRest});
}

// Objects are handed to other threads, which check and free them.
TEST_F(HeapFunctions, ThreadsExchangeObjects) {
  constexpr size_t kSlots = 64;
  std::vector<std::atomic<Stamped*>> slots(kSlots);
  std::atomic<uint32_t> wrong{0};
  run_threads(4, [&](int id) {
    Random random{static_cast<uint64_t>(id) + 1};
    for (uint32_t round = 0; round < 30000; ++round) {
      if (round % 128 == 0) move_to_cpu(random.next());
      const size_t size = random.below(50) == 0 ? random.below(200000) : 64 + random.below(2000);
      void* const memory = allocate(std::max(size, sizeof(Stamped)));
      if (memory == nullptr) {
        ++wrong;
        continue;
      }
      // The stamp lies in an object of the heap itself.
      auto* const stamped = static_cast<Stamped*>(allocate(sizeof(Stamped)));
      *stamped = Stamped(memory, size, random.next());
      Stamped* const old = slots[random.below(kSlots)].exchange(stamped);
      if (old == nullptr) continue;
      if (!old->intact()) ++wrong;
      deallocate(old->object());
      deallocate(old);
    }
  });
  for (auto& slot : slots) {
    if (Stamped* const old = slot.load()) {
      wrong += !old->intact();
      deallocate(old->object());
      deallocate(old);
    }
  }
  EXPECT_EQ(wrong.load(), 0u);
}

// The handler allocates and frees in the middle of the same functions.
TEST_F(HeapFunctions, SignalHandlersMayAllocate) {
  static std::atomic<uint32_t> wrong{0}, handled{0};
  wrong = handled = 0;
  struct sigaction action = {}, saved;
  action.sa_handler = [](int) {
    const int before = errno;
    void* objects[4];
    for (size_t i = 0; i < 4; ++i) {
      objects[i] = allocate(64 << i);
      Stamped stamped(objects[i], size_t{64} << i, i);
      if (!stamped.intact()) ++wrong;
    }
    for (void* object : objects) deallocate(object);
    if (errno != before) ++wrong;
    ++handled;
  };
  action.sa_flags = SA_RESTART;
  ASSERT_EQ(sigaction(SIGUSR1, &action, &saved), 0);
  std::atomic<bool> done{false}, quiet{false};
  std::thread worker([&] {
    Random random{1};
    std::vector<Stamped> held;
    for (uint32_t round = 0; round < 60000 || handled.load() == 0; ++round) {
      if (held.size() < 300 && random.below(2) == 0) {
        const size_t size = size_t{64} << random.below(4);
        held.emplace_back(allocate(size), size, round);
      } else if (!held.empty()) {
        std::swap(held[random.below(static_cast<uint32_t>(held.size()))], held.back());
        if (!held.back().intact()) ++wrong;
        deallocate(held.back().object());
        held.pop_back();
      }
    }
    for (const Stamped& stamped : held) deallocate(stamped.object());
    done = true;
    while (!quiet.load()) std::this_thread::yield();
  });
  while (!done.load()) pthread_kill(worker.native_handle(), SIGUSR1);
  quiet = true;
  worker.join();
  sigaction(SIGUSR1, &saved, nullptr);
  EXPECT_EQ(wrong.load(), 0u);
  EXPECT_GT(handled.load(), 0u);
}

TEST(HeapStart, ThreadsMayBootstrapAtOnce) {
  std::atomic<uint32_t> wrong{0};
  run_threads(8, [&](int id) {
    std::vector<Stamped> held;
    for (int i = 0; i < 100; ++i) {
      void* const object = allocate(100);
      if (object == nullptr) {
        ++wrong;
      } else {
        held.emplace_back(object, 100, static_cast<uint64_t>(id));
      }
    }
    for (const Stamped& stamped : held) {
      if (!stamped.intact()) ++wrong;
      deallocate(stamped.object());
    }
  });
  EXPECT_EQ(wrong.load(), 0u);
  EXPECT_TRUE(bootstrapped());
  EXPECT_EQ(validate_heap(), nullptr);
}

}  // namespace
}  // namespace tenure
