// Objects of many tenants, in bursts that earn them caches of their own, while these are emptied so that
// they are pooled again, and tenants go. Everything is charged by value, at the end of each round and when
// all has been freed.
#include <cstdlib>

#include "accounting/pressure/reclaim.h"
#include "allocator/caches/reaper.h"
#include "tests/allocator/heap/pool_support.h"

namespace tenure {
namespace {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr uint32_t kBursts = 200;
#else
constexpr uint32_t kBursts = 1000;
#endif
constexpr int kWorkers = 4;
constexpr uint32_t kTeams = 3, kSlots = 24, kObjects = 6000;
constexpr size_t kSizes[] = {16, 48, 200, 500, 1000, 3000, 10000, 40000};

// TENURE_TEST_SCALE adds rounds.
int rounds() {
  const char* scale = getenv("TENURE_TEST_SCALE");
  const int factor = scale ? atoi(scale) : 1;
  return factor > 1 ? 2 * factor : 2;
}

// An object begins with the team its tenant was of: whoever pays for it now is in it, or is it.
struct Header {
  Tenant* team;
  uint64_t size;
  uint64_t stamp;
};

class PoolStressTest : public PoolTest {
protected:
  // One of the tenants of the moment, pinned.
  Tenant* some_tenant(uint32_t slot) {
    grace::ReadSection section;
    Tenant* const tenant = slots[slot].load(std::memory_order_acquire);
    return tenant && tenant->pin() ? tenant : nullptr;
  }

  void check_owner(const Header* object) {
    Tenant& owner = pin_owner(object);
    const Tenant* at = &owner;
    while (at != nullptr && at != object->team) at = at->parent();
    if (at == nullptr) ++wrong;
    if (&owner != &root_tenant) owner.unpin();
  }

  void release(Header* object, bool look) {
    if (object == nullptr) return;
    const uint64_t last = (object->size - sizeof(Header)) / 8;
    const auto* const words = reinterpret_cast<const uint64_t*>(object + 1);
    if (last > 0 && (words[0] != object->stamp || words[last - 1] != object->stamp)) ++wrong;
    if (look) check_owner(object);
    object->stamp = 0;
    deallocate(object);
  }

  void seal(Header* object, Tenant& team, size_t size, uint64_t stamp) {
    *object = {&team, size, stamp};
    const uint64_t last = (size - sizeof(Header)) / 8;
    auto* const words = reinterpret_cast<uint64_t*>(object + 1);
    if (last > 0) words[0] = words[last - 1] = stamp;
  }

  // A burst of one size for one tenant, in the place of what others have put there.
  void burst(Random& random) {
    const uint32_t slot = random.below(kSlots);
    Tenant* const tenant = some_tenant(slot);
    if (tenant == nullptr) return;
    Tenant& team = *teams[slot % kTeams];
    const size_t size = std::max(kSizes[random.below(std::size(kSizes))], sizeof(Header));
    const uint32_t count = size > kLargestSmall ? 2 : random.below(random.below(4) ? 30 : 800);
    const bool inside = random.below(2) == 0;
    {
      ScopedTenant scope(inside ? *tenant : root_tenant);
      for (uint32_t i = 0; i < count; ++i) {
        auto* object = static_cast<Header*>(inside ? allocate(size) : take(*tenant, size));
        if (object == nullptr) {
          refused.fetch_add(1, std::memory_order_relaxed);
          break;
        }
        count_kind(slot, object);
        seal(object, team, size, random.next());
        release(objects[random.below(kObjects)].exchange(object, std::memory_order_acq_rel),
                i % 16 == 0);
      }
      for (uint32_t i = 0; i < count; ++i)
        release(objects[random.below(kObjects)].exchange(nullptr, std::memory_order_acq_rel),
                false);
    }
    tenant->unpin();
  }

  // Promotion and demotion as seen from outside.
  void count_kind(uint32_t slot, const void* object) {
    const RunDescriptor& run = run_of(object);
    if (run.kind != RunKind::kSlab) return;
    std::atomic<int>& last = last_kind[slot][index_of(run.cache->class_id)];
    const int kind = run.pooled() ? 1 : 2;
    const int before = last.exchange(kind, std::memory_order_relaxed);
    if (before == 1 && kind == 2) promoted.fetch_add(1, std::memory_order_relaxed);
    if (before == 2 && kind == 1) demoted.fetch_add(1, std::memory_order_relaxed);
  }

  // Takes a tenant offline, with objects of it alive and others inside, and makes another.
  void replace(Random& random) {
    const uint32_t slot = random.below(kSlots);
    Tenant* fresh = nullptr;
    const std::string name = "t" + std::to_string(++made);
    const uint32_t flags = random.below(8) == 0 ? kIsolatedTenant : 0;
    if (create_tenant(*teams[slot % kTeams], name.c_str(), flags, &fresh) != 0) {
      ++wrong;
      return;
    }
    if (random.below(4) == 0) fresh->set_max(30000 + random.below(300000));
    if (random.below(2) == 0) fresh->set_policy(Policy::kFailAll);
    drop(slots[slot].exchange(fresh));
  }
  void drop(Tenant* old) {
    if (old == nullptr) return;
    if (offline_tenant(*old, 0) != 0) ++wrong;
    grace::synchronize();  // Who saw it has pinned it.
    old->unpin();
  }

  void shrink(Random& random) {
    Tenant* const tenant = some_tenant(random.below(kSlots));
    if (tenant == nullptr) return;
    reclaim(*tenant, SIZE_MAX, ReclaimStage::kPurge);
    tenant->unpin();
    if (random.below(16) == 0) trim();
    if (random.below(16) == 0) reap_some(root_tenant, SIZE_MAX);
  }

  void clear() {
    for (auto& object : objects) release(object.exchange(nullptr), true);
  }

  Tenant* teams[kTeams] = {};
  std::atomic<Tenant*> slots[kSlots] = {};
  std::atomic<Header*> objects[kObjects] = {};
  std::atomic<int> last_kind[kSlots][kClassCount] = {};
  std::atomic<long> wrong{0}, refused{0}, promoted{0}, demoted{0};
  int made = 0;
};

TEST_F(PoolStressTest, PromotionDemotionAndOffline) {
  Tenant& top = make(root_tenant, "top");
  for (Tenant*& team : teams) team = &make(top, "team" + std::to_string(&team - teams));
  Random first{1};
  for (uint32_t i = 0; i < 4 * kSlots; ++i) replace(first);
  for (int round = 0; round < rounds(); ++round) {
    std::atomic<int> working{kWorkers};
    run_threads(kWorkers + 2, [&](int id) {
      Random random{static_cast<uint64_t>(round * 100 + id)};
      if (id < kWorkers) {
        for (uint32_t i = 0; i < kBursts; ++i) burst(random);
        --working;
      } else {
        while (working != 0) id == kWorkers ? replace(random) : shrink(random);
      }
    });
    // Objects are alive, in slabs of their own, in those of the pool, of tenants here and gone.
    expect_charged_by_value();
    EXPECT_TRUE(validate_tenants());
    EXPECT_EQ(validate_heap(), nullptr);
    if (round % 2 == 1) clear();
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(promoted, 0);
  EXPECT_GT(demoted, 0);
  clear();
  settle();
  expect_charged_by_value();
  for (Tenant* team : teams) EXPECT_EQ(usage(*team), 0u);
  EXPECT_EQ(usage(top), 0u);
  for (auto& slot : slots) {
    if (Tenant* tenant = slot.load()) {
      EXPECT_EQ(usage(*tenant), 0u);
      drop(slot.exchange(nullptr));
    }
  }
  RecordProperty("promoted", static_cast<int>(promoted));
  RecordProperty("demoted", static_cast<int>(demoted));
  std::printf("%ld promoted, %ld demoted, %ld refused, %d tenants\n", promoted.load(),
              demoted.load(), refused.load(), made);
}

}  // namespace
}  // namespace tenure
