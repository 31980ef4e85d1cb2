// What statistics say is resident, beside what the kernel says.

#include <fstream>
#include <sstream>

#include "tests/allocator/heap/pool_support.h"

namespace tenure {
namespace {

// Of the mappings that lie in [from, to).
size_t resident_in(uint64_t from, uint64_t to) {
  std::ifstream smaps("/proc/self/smaps");
  size_t kib = 0;
  bool inside = false;
  for (std::string line; std::getline(smaps, line);) {
    uint64_t start = 0, end = 0;
    if (sscanf(line.c_str(), "%lx-%lx ", &start, &end) == 2) {
      inside = start >= from && end <= to;
    } else if (inside && line.starts_with("Rss:")) {
      kib += std::stoul(line.substr(4));
    }
  }
  return kib * kKiB;
}

class ResidentTest : public PoolTest {
protected:
  // The pages of ids stay: they come into being before anything is counted.
  void SetUp() override {
    HeapTest::SetUp();
    static const bool warm = [this] {
      remove(create(kMost));
      return true;
    }();
    static_cast<void>(warm);
    PoolTest::SetUp();
  }
  static constexpr size_t kMost = 100000;

  static void expect_near(size_t said, size_t found) {
    const size_t most = found / 20 + kMiB;
    EXPECT_LE(said > found ? said - found : found - said, most) << said << " said, " << found;
  }
  static size_t resident_metadata() {
    const uint64_t start = reinterpret_cast<uint64_t>(hot.cpu_base) - kClosedAreas * kCpuAreaSize;
    return resident_in(start, start + heap_layout().arena_at());
  }
  // Statistics agree with the kernel, for metadata alone and in all.
  static void expect_true() {
    HeapStatistics statistics;
    collect_statistics(statistics);
    const size_t metadata = resident_metadata();
    expect_near(statistics.meta_bytes, metadata);
    expect_near(statistics.resident_bytes(),
                metadata + resident_in(hot.arena_base, hot.arena_base + arena.bytes));
  }
  std::vector<Tenant*> create(size_t count) {
    std::vector<Tenant*> tenants(count);
    for (size_t i = 0; i < count; ++i) {
      if (create_tenant(root_tenant, std::to_string(i).c_str(), &tenants[i]) != 0) __builtin_trap();
    }
    return tenants;
  }
  static void remove(const std::vector<Tenant*>& tenants) {
    for (Tenant* tenant : tenants) {
      EXPECT_EQ(offline_tenant(*tenant, 0), 0);
      tenant->unpin();
    }
  }
};

TEST_F(ResidentTest, OfAHeapInUse) {
  expect_true();
  std::vector<void*> objects;
  for (const size_t size : {16, 100, 3000, 20000, 100000}) {
    for (size_t bytes = 0; bytes < 16 * kMiB; bytes += size) {
      objects.push_back(allocate(size));
      memset(objects.back(), 1, usable_size(objects.back()));
    }
    expect_true();
  }
  for (void* object : objects) deallocate(object);
  // At the hardened level pages of large objects are gone at once, and count as free ones until the next look.
  if (!arena.hardened) expect_true();
  trim();
  expect_true();
}

TEST_F(ResidentTest, OfManyTenants) {
  const size_t before = resident_metadata();
  std::vector<Tenant*> tenants = create(kMost);
  EXPECT_GT(resident_metadata(), before + kMost * sizeof(Tenant));
  expect_true();
  std::vector<void*> objects;
  for (Tenant* tenant : tenants) objects.push_back(take(*tenant, 64));
  expect_true();
  for (void* object : objects) deallocate(object);
  remove(tenants);
  settle();
  expect_true();
  EXPECT_LT(resident_metadata(), before + 8 * kMiB);
}

// Tables of more than a mebibyte come and go as often as tombstones fill them.
TEST_F(ResidentTest, TenantsThatAreReplacedTakeNoMore) {
  std::vector<Tenant*> tenants = create(80000);
  size_t committed = 0;
  for (size_t i = 0; i < 800000; ++i) {
    Tenant*& place = tenants[i * 7919 % tenants.size()];
    EXPECT_EQ(offline_tenant(*place, 0), 0);
    place->unpin();
    ASSERT_EQ(create_tenant(root_tenant, ("next" + std::to_string(i)).c_str(), &place), 0);
    if (i == 400000) committed = meta_arena.committed();
  }
  EXPECT_LE(meta_arena.committed(), committed);
  remove(tenants);
}

}  // namespace
}  // namespace tenure
