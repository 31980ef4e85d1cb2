// The hardened level gives cleared memory: neither what was in an object when it was freed nor a word of the free lists.
#include <algorithm>
#include <gtest/gtest.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <vector>

#include <tenure/tenure.h>

#include "tests/blackbox/support/random.h"

namespace blackbox {
namespace {

class HardenedTest : public testing::Test {
protected:
  void SetUp() override {
    const char* const level = getenv("TENURE_CHECK");
    if (level == nullptr || strcmp(level, "hardened") != 0) GTEST_SKIP() << "of the hardened level";
  }
};

bool is_clear(const void* object, size_t size) {
  const auto* const bytes = static_cast<const unsigned char*>(object);
  return std::all_of(bytes, bytes + size, [](unsigned char byte) { return byte == 0; });
}

// Objects are new, come back from the CPU's lists, from depots, and from slabs.
template <typename Allocate>
void expect_clear(size_t size, Allocate allocate) {
  Random random(size);
  std::vector<void*> objects(5000);
  for (int round = 0; round < 4; ++round) {
    size_t dirty = 0;
    for (void*& object : objects) {
      object = allocate(size);
      ASSERT_NE(object, nullptr);
      dirty += !is_clear(object, size);
      memset(object, 0xff, size);
    }
    EXPECT_EQ(dirty, 0u) << size << " bytes, round " << round;
    for (size_t i = objects.size(); i > 1; --i) std::swap(objects[i - 1], objects[random.below(i)]);
    for (void* object : objects) free(object);
  }
}

constexpr size_t kSizes[] = {1, 16, 24, 32, 64, 200, 1000, 5000};

TEST_F(HardenedTest, MallocGivesClearedMemory) {
  for (const size_t size : kSizes) expect_clear(size, [](size_t bytes) { return malloc(bytes); });
}

// A large object may lie where slabs were.
TEST_F(HardenedTest, LargeObjectsAreClearedToo) {
  for (const size_t size : {size_t{40000}, size_t{300000}, size_t{3} << 20}) {
    std::vector<void*> small(20000), large;
    for (void*& object : small) object = memset(malloc(200), 0xff, 200);
    for (void* object : small) free(object);
    malloc_trim(0);
    for (size_t bytes = 0; bytes < size_t{8} << 20; bytes += size) {
      large.push_back(malloc(size));
      EXPECT_TRUE(is_clear(large.back(), size)) << size;
    }
    for (void* object : large) free(object);
  }
}

TEST_F(HardenedTest, SoItDoesInTenants) {
  for (const unsigned flags : {0u, TENURE_ISOLATED}) {
    tenure_tenant* tenant = nullptr;
    ASSERT_EQ(tenure_tenant_create(tenure_root(), "tenant", flags, &tenant), 0);
    for (const size_t size : kSizes)
      expect_clear(size, [tenant](size_t bytes) { return tenure_malloc(tenant, bytes); });
    EXPECT_EQ(tenure_tenant_offline(tenant, 0), 0);
    tenure_tenant_close(tenant);
  }
}

TEST_F(HardenedTest, SoDoCaches) {
  tenure_cache* cache = nullptr;
  ASSERT_EQ(tenure_cache_create("cleared", 96, 0, 0, nullptr, &cache), 0);
  expect_clear(96, [cache](size_t) { return tenure_cache_alloc(cache); });
  EXPECT_EQ(tenure_cache_destroy(cache, nullptr), 0);
}

}  // namespace
}  // namespace blackbox
