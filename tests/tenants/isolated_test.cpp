// Isolated tenants: nobody else is in their slabs and pages, and nobody reads what they wrote.

#include <algorithm>
#include <malloc.h>
#include <map>
#include <set>
#include <thread>

#include "tests/tenants/support/tenant_test.h"

namespace blackbox {
namespace {

using IsolatedTest = TenantTest;

constexpr size_t kPage = 4096;
constexpr uint64_t kSecret = 0x5EC2E70B5E55ED;
constexpr size_t kSizes[] = {16,   32,   48,    100,       500,       1000,       2048,    5000,
                             8192, 9000, 20000, 32 * kKiB, 33 * kKiB, 200 * kKiB, 3 * kMiB};

size_t count_for(size_t size) { return std::clamp<size_t>(kMiB / size, 3, 3000); }

void fill(void* block, size_t size) {
  auto* words = static_cast<uint64_t*>(block);
  for (size_t i = 0; i < size / 8; ++i) words[i] = kSecret;
}

// Blocks of all sizes, all of their bytes the secret, usable ones included.
void leave_secrets(tenure_tenant* tenant, Blocks& blocks) {
  for (size_t size : kSizes)
    for (size_t i = 0; i < count_for(size); ++i) {
      void* block = tenure_malloc(tenant, size);
      ASSERT_NE(block, nullptr);
      fill(block, malloc_usable_size(block));
      blocks.keep(block);
    }
}

// Secrets that others can read: whoever they are, whatever they allocate, unwritten.
size_t secrets_in_reach(tenure_tenant* reader) {
  size_t found = 0;
  Blocks blocks;
  for (int round = 0; round < 2; ++round)
    for (size_t size : kSizes)
      for (size_t i = 0; i < 2 * count_for(size); ++i) {
        void* block = tenure_malloc(reader, size);
        const auto* words = static_cast<const uint64_t*>(block);
        const size_t count = malloc_usable_size(block) / 8;
        found += size_t(std::count(words, words + count, kSecret));
        blocks.keep(block);
      }
  return found;
}

// The pattern, then one of the ways in which memory gets free, then everybody scans.
TEST_F(IsolatedTest, NobodyReadsWhatItWrote) {
  enum Way { kFreed, kFreedAndTrimmed, kFreedThenOffline, kOfflineThenFreed, kResized, kWays };
  for (int way = 0; way < kWays; ++way) {
    Tenant secret("secret", tenure_root(), TENURE_ISOLATED), other("other"), parent("parent");
    Tenant alike("alike", tenure_root(), TENURE_ISOLATED);
    Blocks blocks;
    leave_secrets(secret, blocks);
    if (way == kResized) {
      // Shrunk in place, grown in place, moved.
      for (size_t size : {2 * kMiB, 700 * kKiB, 5 * kMiB, 40 * kKiB, size_t(100)}) {
        void* block = tenure_malloc(secret, 3 * kMiB);
        fill(block, 3 * kMiB);
        block = realloc(block, size);
        fill(block, malloc_usable_size(block));
        blocks.keep(block);
      }
    }
    if (way == kOfflineThenFreed) secret.offline();
    // By somebody on another thread, inside another tenant.
    std::thread([&] {
      Inside elsewhere(other);
      blocks.clear();
    }).join();
    if (way == kFreedAndTrimmed) malloc_trim(0);
    if (way == kFreedThenOffline) secret.offline();
    if (way == kOfflineThenFreed || way == kFreedThenOffline) tenure_reap();
    for (tenure_tenant* reader :
         {static_cast<tenure_tenant*>(other), static_cast<tenure_tenant*>(alike), tenure_root()})
      EXPECT_EQ(secrets_in_reach(reader), 0u)
          << "way " << way << ", " << tenure_tenant_name(reader);
    malloc_trim(0);
    EXPECT_EQ(secrets_in_reach(nullptr), 0u) << "way " << way;
  }
}

// What it holds while others come and go.
TEST_F(IsolatedTest, SharesNoPageWithOthers) {
  Tenant secret("secret", tenure_root(), TENURE_ISOLATED),
      alike("alike", tenure_root(), TENURE_ISOLATED);
  Tenant other("other"), child("child", secret);
  tenure_tenant* const tenants[] = {secret, alike, other, child, tenure_root()};
  struct Piece {
    uintptr_t first, last;  // Pages
    int owner;
  };
  std::vector<Piece> pieces;
  Blocks blocks;
  const auto add = [&](int owner, size_t size) {
    void* block = tenure_malloc(tenants[owner], size);
    const auto address = uintptr_t(block);
    pieces.push_back({address / kPage, (address + malloc_usable_size(block) - 1) / kPage, owner});
    blocks.keep(block);
  };
  // In turn, so that neighbours have different owners; from the first byte on.
  for (size_t size : kSizes)
    for (size_t i = 0; i < count_for(size) / 2 + 1; ++i)
      for (int owner = 0; owner < 5; ++owner) add(owner, size);
  std::map<uintptr_t, int> owners;
  size_t shared = 0;
  for (const Piece& piece : pieces)
    for (uintptr_t page = piece.first; page <= piece.last; ++page) {
      const auto [at, fresh] = owners.emplace(page, piece.owner);
      const bool alone = at->second <= 1 || piece.owner <= 1;
      if (!fresh && alone && at->second != piece.owner) ++shared;
    }
  EXPECT_EQ(shared, 0u);
  EXPECT_GT(owners.size(), 1000u);
  EXPECT_EQ(owner_id(blocks[0]), tenure_tenant_id(secret));
}

// Named caches have slabs for each tenant, too.
TEST_F(IsolatedTest, ObjectsOfItsNamedCachesAreNotRead) {
  Tenant secret("secret", tenure_root(), TENURE_ISOLATED), other("other");
  tenure_cache* cache = nullptr;
  ASSERT_EQ(tenure_cache_create("secrets", 200, 0, 0, nullptr, &cache), 0);
  std::vector<void*> objects;
  for (int i = 0; i < 3000; ++i) {
    objects.push_back(tenure_cache_alloc_for(cache, secret));
    fill(objects.back(), 200);
  }
  for (void* object : objects) tenure_cache_free(cache, object);
  objects.clear();
  secret.offline();
  tenure_reap();
  size_t found = 0;
  for (int i = 0; i < 3000; ++i) {
    objects.push_back(tenure_cache_alloc_for(cache, other));
    const auto* words = static_cast<const uint64_t*>(objects.back());
    found += size_t(std::count(words, words + 25, kSecret));
  }
  EXPECT_EQ(found, 0u);
  for (void* object : objects) tenure_cache_free(cache, object);
  EXPECT_EQ(secrets_in_reach(nullptr), 0u);
  EXPECT_EQ(tenure_cache_destroy(cache, nullptr), 0);
}

}  // namespace
}  // namespace blackbox
