// A cache that is to be destroyed while it has a live object stays in use at every instant.
#include <atomic>
#include <string.h>
#include <thread>

#include "tests/tenants/support/tenant_test.h"

namespace blackbox {
namespace {

constexpr size_t kSize = 96;
constexpr int kDestroys = 2000;
constexpr size_t kRounds = 200000;

// Threads that take objects, write them full, look whether they stayed so, and give them back.
class Users {
public:
  Users(tenure_cache* cache, std::vector<tenure_tenant*> tenants) : cache_(cache) {
    for (tenure_tenant* tenant : tenants)
      threads_.emplace_back([this, tenant, mark = ++marks_] { use(tenant, mark); });
    while (rounds_ < tenants.size()) std::this_thread::yield();
  }
  // How often they have gone round.
  size_t rounds() const { return rounds_; }
  ~Users() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
    EXPECT_EQ(refused_, 0u);
    EXPECT_EQ(shared_, 0u);
  }

private:
  void use(tenure_tenant* tenant, unsigned char mark) {
    unsigned char* objects[50];
    unsigned char full[kSize];
    memset(full, mark, kSize);
    for (; !stop_; ++rounds_) {
      for (unsigned char*& object : objects) {
        object = static_cast<unsigned char*>(tenure_cache_alloc_for(cache_, tenant));
        if (object != nullptr)
          memset(object, mark, kSize);
        else
          ++refused_;
      }
      for (unsigned char* object : objects) {
        if (object == nullptr) continue;
        if (memcmp(object, full, kSize) != 0) ++shared_;
        tenure_cache_free(cache_, object);
      }
    }
  }

  tenure_cache* const cache_;
  unsigned char marks_ = 0;
  std::atomic<bool> stop_{false};
  std::atomic<size_t> rounds_{0}, refused_{0}, shared_{0};
  std::vector<std::thread> threads_;
};

class BusyCacheTest : public TenantTest {
protected:
  BusyCacheTest() {
    EXPECT_EQ(tenure_cache_create("busy", kSize, 0, 0, nullptr, &cache), 0);
    kept = tenure_cache_alloc(cache);
  }
  ~BusyCacheTest() override {
    tenure_cache_free(cache, kept);
    size_t live = 1;
    EXPECT_EQ(tenure_cache_destroy(cache, &live), 0);
    EXPECT_EQ(live, 0u);
  }

  tenure_cache* cache = nullptr;
  void* kept;
};

TEST_F(BusyCacheTest, TheRootsObjectsStayUsable) {
  const Users users(cache, {tenure_root(), tenure_root()});
  while (users.rounds() < kRounds) ASSERT_EQ(tenure_cache_destroy(cache, nullptr), -EBUSY);
}

TEST_F(BusyCacheTest, TenantsObjectsStayUsable) {
  Tenant acme("acme"), other("other");
  const Users users(cache, {acme, other});
  while (users.rounds() < kRounds) ASSERT_EQ(tenure_cache_destroy(cache, nullptr), -EBUSY);
}

// A tenant's first object makes it a list of its own, which a dying cache would refuse.
TEST_F(BusyCacheTest, NewTenantsAreServed) {
  std::atomic<bool> stop{false};
  std::atomic<int> refused{0}, served{0};
  std::thread comers([&] {
    while (!stop) {
      const Tenant comer("comer");
      void* const object = tenure_cache_alloc_for(cache, comer);
      object != nullptr ? ++served : ++refused;
      tenure_cache_free(cache, object);
    }
  });
  for (int i = 0; i < kDestroys || served < 100; ++i)
    EXPECT_EQ(tenure_cache_destroy(cache, nullptr), -EBUSY);
  stop = true;
  comers.join();
  EXPECT_EQ(refused, 0);
}

}  // namespace
}  // namespace blackbox
