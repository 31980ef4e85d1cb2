#include "allocator/heap/bootstrap.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/system/topology.h"
#include "tests/allocator/heap_support.h"
#include "tests/rcu/sequences.h"

namespace {
// What stands in the file of possible CPUs; nullptr: what the system says.
std::atomic<const char*> possible{nullptr};
}  // namespace

// Stands before libc's: the machine has as many CPUs as tests say. Takes six words however many the caller has passed, as libc's.
extern "C" __attribute__((no_sanitize("address"))) long syscall(long number, ...) {
  static const auto next = reinterpret_cast<long (*)(long, ...)>(dlsym(RTLD_NEXT, "syscall"));
  long word[6];
  va_list rest;
  va_start(rest, number);
  for (long& each : word) each = va_arg(rest, long);
  va_end(rest);
  const char* const text = possible.load();
  if (text == nullptr || number != SYS_openat ||
      strcmp(reinterpret_cast<const char*>(word[1]), "/sys/devices/system/cpu/possible") != 0)
    return next(number, word[0], word[1], word[2], word[3], word[4], word[5]);
  const int file = memfd_create("possible", MFD_CLOEXEC);
  if (write(file, text, strlen(text)) < 0) _exit(9);
  lseek(file, 0, SEEK_SET);
  return file;
}

namespace tenure {
namespace {

// Each in a program of its own, whose heap does not exist yet.
class BootstrapDeathTest : public testing::Test {
protected:
  void SetUp() override {
    testing::FLAGS_gtest_death_test_style = "threadsafe";
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    GTEST_SKIP() << "sanitizers need more address space";
#endif
  }

  static void limit_address_space(size_t bytes) {
    const rlimit limit = {bytes, bytes};
    if (setrlimit(RLIMIT_AS, &limit) != 0) _exit(2);
  }

  // 0, or what is wrong.
  static int use() {
    std::atomic<int> wrong{0};
    run_threads(3, [&](int id) {
      Random random{static_cast<uint64_t>(id) + 1};
      std::vector<Stamped> held;
      for (uint32_t round = 0; round < 20000; ++round) {
        if (round % 64 == 0) move_to_cpu(random.next());
        if (held.size() < 200 && random.below(2) == 0) {
          const size_t size = 16 + random.below(2000);
          held.emplace_back(allocate(size), size, round);
        } else if (!held.empty()) {
          if (!held.back().intact()) wrong = 3;
          deallocate(held.back().object());
          held.pop_back();
        }
      }
      for (const Stamped& stamped : held) deallocate(stamped.object());
    });
    if (wrong == 0 && validate_heap() != nullptr) return 4;
    return wrong;
  }
};

// The areas of that many CPUs do not fit: no path may use one.
TEST_F(BootstrapDeathTest, ManyCpusInLittleAddressSpace) {
  EXPECT_EXIT(
      {
        possible = "0-511\n";
        limit_address_space(2 * kGiB);
        if (possible_cpus() != 512) _exit(5);
        if (!bootstrap()) _exit(6);
        if (arena.rseq || arena.cpus != 0 || hot.front_sizes != 0) _exit(7);
        if (rseq_cpu(hot.rseq) >= 0) _exit(8);
        void* const object = allocate(100);
        const uint32_t granule = granule_of(object);
        if (arena.page_map.at(granule).front != 0) _exit(10);
        deallocate(object);
        _exit(use());
      },
      testing::ExitedWithCode(0), "");
}

TEST_F(BootstrapDeathTest, FewCpusInLittleAddressSpace) {
  EXPECT_EXIT(
      {
        possible = "0-31\n";
        const bool usable = sequences().usable;
        limit_address_space(2 * kGiB);
        if (!bootstrap()) _exit(6);
        if (arena.cpus != 32 || arena.rseq != (usable && !arena.hardened)) _exit(7);
        if ((hot.front_sizes != 0) != arena.rseq || (rseq_cpu(hot.rseq) >= 0) != arena.rseq)
          _exit(8);
        _exit(use());
      },
      testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace tenure
