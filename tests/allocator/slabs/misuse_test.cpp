#include "allocator/slabs/misuse.h"

#include <stdlib.h>

#include <string>

#include "tests/allocator/heap_support.h"

namespace tenure {
namespace {

class MisuseDeathTest : public HeapTest {
protected:
  static void expect_report(const std::function<void()>& what, const std::string& line) {
    EXPECT_EXIT(what(), testing::KilledBySignal(SIGABRT), line);
  }
  static std::string report(const char* what, size_t size) {
    return "tenure: " + std::string(what) + ": pointer 0x[0-9a-f]+, tenant /, class " +
           std::to_string(size) + "\n";
  }
  static char* bytes(void* p) { return static_cast<char*>(p); }
};

TEST_F(MisuseDeathTest, LinesName) {
  static constexpr const char* kNames[] = {"double free",      "foreign pointer",
                                           "interior pointer", "misaligned pointer",
                                           "wrong size class", "corrupted chain"};
  void* const object = allocate(100);
  for (int i = 0; i < 6; ++i) {
    expect_report([&] { report_misuse(static_cast<Misuse>(i), object); }, report(kNames[i], 112));
    // Where nothing is known the parts are left out.
    expect_report([&] { report_misuse(static_cast<Misuse>(i), reinterpret_cast<void*>(0x1230)); },
                  "tenure: " + std::string(kNames[i]) + ": pointer 0x1230\n");
  }
  deallocate(object);
}

TEST_F(MisuseDeathTest, ForeignPointers) {
  static long global[4];
  alignas(16) char local[32];
  void* const foreign[] = {
      global,
      local,
      ::malloc(32),
      reinterpret_cast<void*>(0x10),
      reinterpret_cast<void*>(hot.arena_base - 16),
      reinterpret_cast<void*>(hot.arena_base + hot.arena_units * kMinAlignment),
      hot.cpu_base};
  for (void* p : foreign) {
    expect_report([&] { deallocate(p); }, "tenure: foreign pointer: pointer 0x[0-9a-f]+\n");
    expect_report([&] { usable_size(p); }, "tenure: foreign pointer: pointer 0x[0-9a-f]+\n");
    expect_report([&] { reallocate(p, 100); }, "tenure: foreign pointer: pointer 0x[0-9a-f]+\n");
  }
  ::free(foreign[2]);
}

TEST_F(MisuseDeathTest, MisalignedPointers) {
  void* const small = allocate(100);
  void* const large = allocate(100000);
  for (const size_t offset : {1, 8, 15}) {
    expect_report([&] { deallocate(bytes(small) + offset); }, report("misaligned pointer", 112));
    expect_report([&] { deallocate(bytes(large) + offset); }, report("misaligned pointer", 131072));
    expect_report([&] { reallocate(bytes(small) + offset, 50); },
                  report("misaligned pointer", 112));
  }
  deallocate(small);
  deallocate(large);
}

TEST_F(MisuseDeathTest, InteriorPointersOfLargeObjects) {
  void* const large = allocate(100000);
  expect_report([&] { deallocate(bytes(large) + 16); }, report("interior pointer", 131072));
  // Granules behind the first name no object.
  expect_report([&] { deallocate(bytes(large) + kGranuleSize); },
                "tenure: interior pointer: pointer 0x");
  expect_report([&] { reallocate(bytes(large) + 4096, 5); }, report("interior pointer", 131072));
  deallocate(large);
}

TEST_F(MisuseDeathTest, InteriorPointersOfSmallObjects) {
  void* const small = allocate(1000);
  expect_report([&] { usable_size(bytes(small) + 16); }, report("interior pointer", 1024));
  expect_report([&] { reallocate(bytes(small) + 16, 5); }, report("interior pointer", 1024));
  // free notices at once at the hardened level; else when the object goes back to its slab.
  expect_report(
      [&] {
        deallocate(bytes(small) + 16);
        trim();
      },
      report("interior pointer", 1024));
  deallocate(small);
}

TEST_F(MisuseDeathTest, DoubleFreeOfLargeObjects) {
  void* const large = allocate(100000);
  expect_report(
      [&] {
        deallocate(large);
        deallocate(large);
      },
      "tenure: double free: pointer 0x");
  deallocate(large);
}

TEST_F(MisuseDeathTest, DoubleFreeOfSmallObjects) {
  for (const size_t size : {16, 112, 1024, 32768}) {
    SCOPED_TRACE(size);
    void* const object = allocate(size);
    expect_report(
        [&] {
          deallocate(object);
          deallocate(object);
        },
        report("double free", size));
    void* const other = allocate(size);
    if (arena.hardened) {
      expect_report(
          [&] {
            deallocate(object);
            deallocate(other);
            deallocate(object);
          },
          report("double free", size));
    } else if (root_caches[index_of(class_of(size))].limit > 2) {
      // With another free in between: found before the object is handed out a second time.
      expect_report(
          [&] {
            deallocate(object);
            deallocate(other);
            deallocate(object);
            void* seen[300];
            for (void*& p : seen) p = allocate(size);
            for (int i = 0; i < 300; ++i) {
              for (int k = 0; k < i; ++k) {
                if (seen[i] == seen[k]) exit(1);
              }
            }
          },
          report("corrupted chain", size));
    }
    deallocate(object);
    deallocate(other);
  }
}

TEST_F(MisuseDeathTest, DoubleFreeAfterTheSlabWentBack) {
  void* object = allocate(5120);
  expect_report(
      [&] {
        deallocate(object);
        trim();
        deallocate(object);
      },
      "tenure: double free: pointer 0x");
  deallocate(object);
}

TEST_F(MisuseDeathTest, WriteAfterFreeIsNoticed) {
  void* const object = allocate(512);
  for (const int byte : {0x00, 0x41, 0xff}) {
    expect_report(
        [&] {
          deallocate(object);
          __builtin_memset(object, byte, 8);
          for (int i = 0; i < 300; ++i) static_cast<void>(allocate(512));
        },
        report("corrupted chain", 512));
  }
  deallocate(object);
}

TEST_F(MisuseDeathTest, WrongSizeAtTheHardenedLevel) {
  void* const object = allocate(100);
  for (const size_t size : {113, 5000, 1 << 20}) {
    if (arena.hardened) {
      expect_report([&] { deallocate_sized(object, size); }, report("wrong size class", 112));
    }
  }
  deallocate_sized(object, 100);
  deallocate_sized(nullptr, 100);
}

TEST_F(MisuseDeathTest, NeverAllocatedMemory) {
  void* const large = allocate(3 * kChunkSize);
  deallocate(large);
  trim();
  expect_report([&] { deallocate(bytes(large) + kChunkSize); }, "tenure: double free: pointer 0x");
}

}  // namespace
}  // namespace tenure
