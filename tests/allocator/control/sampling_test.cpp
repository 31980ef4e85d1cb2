// Estimates of sampled profiles, against programs whose allocations are known.
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <string.h>

#include <map>
#include <string>
#include <thread>
#include <vector>

#include "allocator/control/profile.h"
#include "allocator/fronts/sampler.h"
#include "allocator/heap/live_samples.h"
#include "allocator/heap/profile_sites.h"
#include "allocator/upkeep/decay.h"
#include "base/words/exponential.h"
#include "tests/allocator/heap/pool_support.h"

namespace tenure {
namespace {

struct Counts {
  uint64_t allocated = 0, freed = 0;
};

// Sampled objects of the size, at the mean, of one tenant (its path) or of all.
Counts counts_of(uint64_t size, uint64_t mean, const char* path = nullptr) {
  Counts counts;
  profile_sites.for_each([&](const ProfileSite& site) {
    if (site.size != size || site.mean != mean) return;
    if (path && strcmp(site.tenant->path, path) != 0) return;
    counts.allocated += site.allocated.load();
    counts.freed += site.freed.load();
  });
  return counts;
}

uint64_t live_samples() {
  uint64_t live = 0;
  for_each_sample([&live](const LiveSample&) { ++live; });
  return live;
}

class Sampling : public PoolTest {
protected:
  void SetUp() override {
    PoolTest::SetUp();
    // One CPU and one seed: the same run each time, as far as the machine lets it.
    cpu_set_t one;
    sched_getaffinity(0, sizeof one, &home_);
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one);
  }
  void TearDown() override {
    stop_profile();
    EXPECT_EQ(live_samples(), 0u);
    sched_setaffinity(0, sizeof home_, &home_);
    // What profiles have learned stays: metadata is not as it was.
    EXPECT_EQ(validate_heap(), nullptr);
    for (Tenant* tenant : handles) {
      if (tenant->online()) {
        EXPECT_EQ(offline_tenant(*tenant, kOfflineRecursive), 0);
      }
      tenant->unpin();
    }
    handles.clear();
    reap_all();
  }

  // The program allocates `objects` of `size` bytes each time. The mean over all seeds of what samples say lies within 4 standard
  // errors of that, and so does what is left in use, which is nothing.
  template <typename Program>
  void check_estimate(uint64_t size, uint64_t mean, uint64_t objects, Program program,
                      const char* path = nullptr) {
    constexpr int kSeeds = 100;
    const Counts before = counts_of(size, mean, path);
    const uint64_t live = live_samples();
    for (int seed = 0; seed < kSeeds; ++seed) {
      seed_sampling(static_cast<uint64_t>(seed));
      ASSERT_EQ(start_profile(mean), 0);
      program();
      stop_profile();
    }
    const Counts after = counts_of(size, mean, path);
    EXPECT_EQ(live_samples(), live);
    const auto sampled = static_cast<double>(after.allocated - before.allocated);
    EXPECT_EQ(after.freed - before.freed, after.allocated - before.allocated);
    const double p = -expm1(-static_cast<double>(size) / static_cast<double>(mean));
    const double all = static_cast<double>(objects) * kSeeds;
    const double error = sqrt(all * p * (1 - p));
    EXPECT_NEAR(sampled, all * p, 4 * error + 1e-9)
        << size << " bytes, mean " << mean << ": " << (sampled - all * p) / error
        << " standard errors, " << sampled / all / p << " of what is right";
    // The test would see a bias of a few percent.
    EXPECT_LT(error / (all * p), 0.012);
  }

private:
  cpu_set_t home_;
};

void pairs(size_t size, int count) {
  for (int i = 0; i < count; ++i) deallocate(allocate(size));
}
void batches(size_t size, int batch, int rounds) {
  std::vector<void*> held(static_cast<size_t>(batch));
  for (int round = 0; round < rounds; ++round) {
    for (void*& object : held) object = allocate(size);
    for (void* object : held) deallocate(object);
  }
}
void churn(size_t size, int live, int count) {
  std::vector<void*> held(static_cast<size_t>(live));
  Random random{7};
  for (void*& object : held) object = allocate(size);
  for (int i = 0; i < count; ++i) {
    void*& object = held[random.below(static_cast<uint32_t>(live))];
    deallocate(object);
    object = allocate(size);
  }
  for (void* object : held) deallocate(object);
}

TEST(Exponential, LogarithmIsRight) {
  for (double x = 1e-17; x < 1e6; x *= 1.37)
    EXPECT_NEAR(natural_log(x), log(x), 1e-12 * (1 + fabs(log(x))));
  EXPECT_EQ(natural_log(1), 0);
}

TEST(Exponential, ProbabilityOfAPoint) {
  for (double x = 1e-9; x < 100; x *= 1.7)
    EXPECT_NEAR(probability_of_point(x, 1) / -expm1(-x), 1, 1e-9) << x;
  EXPECT_EQ(probability_of_point(0, 1), 0);
}

TEST(Exponential, MeanAndSpread) {
  double sum = 0, squares = 0;
  constexpr int kDraws = 200000;
  for (int i = 1; i <= kDraws; ++i) {
    const auto x =
        static_cast<double>(exponential(mix_random(static_cast<uint64_t>(i) * kRandomStep), 1000));
    ASSERT_GE(x, 1);
    sum += x;
    squares += x * x;
  }
  EXPECT_NEAR(sum / kDraws, 1000.5, 10);
  EXPECT_NEAR(squares / kDraws, 2e6, 5e4);
}

TEST_F(Sampling, Pairs) {
  for (const size_t size : {size_t{16}, size_t{64}, size_t{1024}, size_t{32768}}) {
    const uint64_t mean = size * 50;
    check_estimate(size, mean, 10000, [size] { pairs(size, 10000); });
  }
}

TEST_F(Sampling, Batches) {
  check_estimate(48, 4096, 20000, [] { batches(48, 1000, 20); });
  check_estimate(256, 10000, 9000, [] { batches(256, 3000, 3); });
}

TEST_F(Sampling, Churn) {
  check_estimate(96, 4096, 20500, [] { churn(96, 500, 20000); });
  check_estimate(4096, 100000, 8064, [] { churn(4096, 64, 8000); });
}

// Where the process has no helper, lists are closed at their ends for the decay's sake, too.
TEST_F(Sampling, PairsWhileFrontsAreWatched) {
  fronts_watched_flag = true;
  check_estimate(128, 6000, 10000, [] {
    fronts_watched_flag = true;
    pairs(128, 10000);
  });
}

// What a drain takes from the lists was passed and comes back.
TEST_F(Sampling, ListsThatAreDrained) {
  check_estimate(80, 4000, 10000, [] {
    for (int i = 0; i < 10000; ++i) {
      deallocate(allocate(80));
      if (i % 50 == 0) trim();
    }
  });
}

TEST_F(Sampling, LargeObjects) {
  check_estimate(64 * kKiB, 1 * kMiB, 2000, [] { pairs(64 * kKiB, 2000); });
  check_estimate(4 * kMiB, 64 * kMiB, 1500, [] { pairs(4 * kMiB, 1500); });
}

// Longer than some means: nearly each is sampled, and none twice.
TEST_F(Sampling, ObjectsLongerThanTheMean) {
  check_estimate(1024, 512, 300, [] { pairs(1024, 300); });
  check_estimate(1 * kMiB, 256 * kKiB, 300, [] { pairs(1 * kMiB, 300); });
}

TEST_F(Sampling, ObjectsThatAnotherThreadFrees) {
  check_estimate(224, 10000, 10000, [] {
    std::vector<void*> held(500);
    for (int round = 0; round < 20; ++round) {
      std::thread([&held] {
        for (void*& object : held) object = allocate(224);
      }).join();
      for (void* object : held) deallocate(object);
    }
  });
}

TEST_F(Sampling, TenantsThatShareSlabs) {
  Tenant& acme = make(root_tenant, "acme");
  Tenant& other = make(root_tenant, "other");
  const auto program = [&] {
    for (int i = 0; i < 20000; ++i) {
      const ScopedTenant inside(i % 4 ? acme : other);
      void* const object = allocate(64);
      const ScopedTenant elsewhere(root_tenant);
      deallocate(object);
      deallocate(allocate(64));
    }
  };
  check_estimate(64, 4096, 15000, program, "/acme");
  check_estimate(64, 4095, 5000, program, "/other");
  check_estimate(64, 4094, 20000, program, "/");
  EXPECT_EQ(usage(acme), 0u);
  EXPECT_EQ(usage(other), 0u);
}

// Each has caches of its own: one as it is isolated, one as it fills slabs.
TEST_F(Sampling, TenantsWithCachesOfTheirOwn) {
  Tenant& apart = make(root_tenant, "apart", kIsolatedTenant);
  Tenant& full = make(root_tenant, "full");
  std::vector<void*> held;
  for (int i = 0; i < 3000; ++i) held.push_back(take(full, 1024));
  const auto program = [&] {
    for (int i = 0; i < 10000; ++i) {
      const ScopedTenant inside(i % 2 ? apart : full);
      deallocate(allocate(1024));
    }
  };
  check_estimate(1024, 20001, 5000, program, "/apart");
  check_estimate(1024, 20002, 5000, program, "/full");
  for (void* object : held) deallocate(object);
  expect_charged_by_value();
}

// An isolated tenant's object is cleared before its slab of samples gives it to anybody.
TEST_F(Sampling, ObjectsOfIsolatedTenantsAreCleared) {
  Tenant& apart = make(root_tenant, "apart", kIsolatedTenant);
  ASSERT_EQ(start_profile(kSmallestMean), 0);
  void* const object = take(apart, 4096);
  stop_profile();
  memset(object, 0x5a, 4096);
  deallocate(object);
  const auto* const bytes = static_cast<const unsigned char*>(object);
  // Links of lists lie in the first words.
  for (size_t i = 16; i < 4096; ++i) ASSERT_EQ(bytes[i], 0) << i;
}

TEST_F(Sampling, SamplesOutliveTheirTenant) {
  Tenant& acme = make(root_tenant, "acme");
  ASSERT_EQ(start_profile(kSmallestMean), 0);
  std::vector<void*> held;
  for (int i = 0; i < 50; ++i) held.push_back(take(acme, 4096));
  stop_profile();
  EXPECT_EQ(live_samples(), 50u);
  EXPECT_EQ(offline_tenant(acme, 0), 0);
  const Counts counts = counts_of(4096, kSmallestMean, "/acme");
  EXPECT_EQ(counts.allocated - counts.freed, 50u);
  for (void* object : held) deallocate(object);
  EXPECT_EQ(live_samples(), 0u);
}

TEST_F(Sampling, ReallocCountsWhatMovesOrChangesLength) {
  ASSERT_EQ(start_profile(kSmallestMean), 0);
  const Counts before = counts_of(256 * kKiB, kSmallestMean);
  void* object = allocate(100);
  for (const size_t size :
       {size_t{2000}, 40 * kKiB, 256 * kKiB, 2 * kMiB, 256 * kKiB, size_t{1000}}) {
    object = reallocate(object, size);
    ASSERT_NE(object, nullptr);
    EXPECT_EQ(live_samples(), 1u) << size;
  }
  EXPECT_EQ(counts_of(256 * kKiB, kSmallestMean).allocated - before.allocated, 2u);
  deallocate(object);
}

TEST_F(Sampling, SampledObjectsAreAsOthers) {
  ASSERT_EQ(start_profile(kSmallestMean), 0);
  std::vector<Stamped> held;
  for (size_t size = 1; size <= 3 * kLargestSmall; size += size < 300 ? 7 : 499) {
    void* const object = allocate(size);
    ASSERT_NE(object, nullptr);
    ASSERT_EQ(reinterpret_cast<uintptr_t>(object) % kMinAlignment, 0u);
    ASSERT_GE(usable_size(object), size);
    held.emplace_back(object, usable_size(object), size);
  }
  for (size_t alignment = 16; alignment <= 16 * kKiB; alignment *= 2) {
    void* const object = allocate_aligned(100, alignment);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(object) % alignment, 0u);
    held.emplace_back(object, 96, alignment);
  }
  EXPECT_GT(live_samples(), held.size() / 2);
  EXPECT_EQ(validate_heap(), nullptr);
  for (const Stamped& stamped : held) {
    ASSERT_TRUE(stamped.intact());
    deallocate(stamped.object());
  }
}

TEST_F(Sampling, ASampledObjectThatIsFreedTwiceIsFound) {
  ASSERT_EQ(start_profile(kSmallestMean), 0);
  void* const object = allocate(4096);
  deallocate(object);
  EXPECT_DEATH(deallocate(object), "tenure: double free");
}

TEST_F(Sampling, MeansThatAreRefused) {
  EXPECT_EQ(start_profile(kSmallestMean - 1), -EINVAL);
  EXPECT_EQ(start_profile(kLargestMean + 1), -EINVAL);
  EXPECT_FALSE(is_sampling());
}

// Each object has a sample, so each stack has the function that allocates.
TENURE_NOINLINE void* allocate_here() {
  void* const object = allocate(12345);
  asm volatile("" : : "r"(object));
  return object;
}
TEST_F(Sampling, StacksNameTheCaller) {
  ASSERT_EQ(start_profile(kSmallestMean), 0);
  void* const object = allocate_here();
  bool found = false;
  for_each_sample([&](const LiveSample& sample) {
    if (sample.object.load() != reinterpret_cast<uint64_t>(object)) return;
    const ProfileStack& stack = *sample.site.load()->stack;
    for (uint32_t i = 0; i < stack.depth; ++i) {
      const auto place = reinterpret_cast<uint64_t>(stack.frames[i]);
      found |= place - reinterpret_cast<uint64_t>(&allocate_here) < 512;
    }
  });
  EXPECT_TRUE(found);
  deallocate(object);
}

}  // namespace
}  // namespace tenure
