// What stands for no tenant is not the root: NULL, and the handle that a failed creation leaves. A program that does not
// look at results must not run without a limit.
#include <pthread.h>
#include <string>

#include "tests/tenants/support/tenant_test.h"

namespace blackbox {
namespace {

using NoTenantTest = TenantTest;

tenure_tenant* failed_creation() {
  tenure_tenant* tenant = nullptr;
  EXPECT_EQ(tenure_tenant_create(tenure_root(), "a/b", 0, &tenant), -EINVAL);
  return tenant;
}

int do_nothing(tenure_tenant*, void*) { return 0; }

TEST_F(NoTenantTest, EveryFailedCreationLeavesTheSameHandle) {
  tenure_tenant* const none = failed_creation();
  EXPECT_NE(none, nullptr);
  EXPECT_NE(none, tenure_root());
  const Tenant taken("taken"), parent("parent");
  const auto left_by = [](tenure_tenant* above, const char* name, unsigned flags, int error) {
    tenure_tenant* left = nullptr;
    EXPECT_EQ(tenure_tenant_create(above, name, flags, &left), error);
    return left;
  };
  EXPECT_EQ(left_by(tenure_root(), "taken", 0, -EEXIST), none);
  EXPECT_EQ(left_by(tenure_root(), nullptr, 0, -EINVAL), none);
  EXPECT_EQ(left_by(tenure_root(), "x", 1u << 31, -EINVAL), none);
  EXPECT_EQ(left_by(none, "x", 0, -ENODEV), none) << "not below the root";
  Tenant gone("gone");
  gone.offline();
  EXPECT_EQ(left_by(gone, "x", 0, -ENODEV), none);
}

TEST_F(NoTenantTest, NothingIsAllocatedInsideAFailedCreation) {
  tenure_tenant* const none = failed_creation();
  const size_t before = stats_of(tenure_root()).allocated;
  {
    const Inside inside(none);
    EXPECT_EQ(tenure_current(), none);
    for (const size_t size : {size_t{1}, size_t{500}, 32 * kKiB, 40 * kKiB, kMiB, 1024 * kMiB}) {
      errno = 0;
      void* volatile const block = malloc(size);
      EXPECT_EQ(block, nullptr) << size;
      EXPECT_EQ(errno, ENOMEM);
      EXPECT_EQ(calloc(1, size), nullptr) << size;
      EXPECT_EQ(aligned_alloc(4096, (size + 4095) / 4096 * 4096), nullptr) << size;
    }
    EXPECT_EQ(tenure_checkpoint(), 0);
  }
  EXPECT_EQ(tenure_current(), tenure_root());
  EXPECT_EQ(stats_of(tenure_root()).allocated, before);
}

TEST_F(NoTenantTest, NewThrowsInsideAFailedCreation) {
  const Inside inside(failed_creation());
  EXPECT_THROW(static_cast<void>(std::string(1000, 'x')), std::bad_alloc);
}

TEST_F(NoTenantTest, ReallocAndFreeInsideKeepTheOwner) {
  Tenant tenant("tenant");
  char* block = static_cast<char*>(tenure_malloc(tenant, 100));
  {
    const Inside inside(failed_creation());
    block = static_cast<char*>(realloc(block, 10000));
    ASSERT_NE(block, nullptr) << "it is charged to its owner, who has the room";
    EXPECT_EQ(owner_id(block), tenure_tenant_id(tenant));
    free(block);
  }
  EXPECT_EQ(tenant.settled(), 0u);
}

TEST_F(NoTenantTest, AThreadMadeInsideIsNotInTheRoot) {
  tenure_tenant* const none = failed_creation();
  const Inside inside(none);
  tenure_tenant* found = nullptr;
  const auto look = [](void* to) -> void* {
    *static_cast<tenure_tenant**>(to) = tenure_current();
    return nullptr;
  };
  pthread_t thread;
  ASSERT_EQ(pthread_create(&thread, nullptr, look, &found), 0);
  pthread_join(thread, nullptr);
  EXPECT_EQ(found, none);
}

TEST_F(NoTenantTest, ACapturedScopeOfItIsNotTheRootEither) {
  tenure_tenant* const none = failed_creation();
  tenure_captured captured;
  {
    const Inside inside(none);
    captured = tenure_capture();
  }
  const tenure_scope outer = tenure_restore(captured);
  EXPECT_EQ(tenure_current(), none);
  EXPECT_EQ(malloc(100), nullptr);
  tenure_leave(outer);
  tenure_release(captured);
}

TEST_F(NoTenantTest, EnteringNullChangesNothing) {
  Tenant tenant("tenant");
  const Inside inside(tenant);
  {
    const Inside null(nullptr);
    EXPECT_EQ(tenure_current(), tenant);
    const Inside root(tenure_root());
    const Inside again(nullptr);
    EXPECT_EQ(tenure_current(), tenure_root());
  }
  EXPECT_EQ(tenure_current(), tenant);
}

TEST_F(NoTenantTest, NothingIsAllocatedForIt) {
  tenure_cache* cache = nullptr;
  ASSERT_EQ(tenure_cache_create("objects", 100, 0, 0, nullptr, &cache), 0);
  tenure_tenant* const none = failed_creation();
  void* const block = malloc(100);
  for (tenure_tenant* tenant : {none, static_cast<tenure_tenant*>(nullptr)}) {
    const auto refuses = [](auto allocate) {
      errno = 0;
      return allocate() == nullptr && errno == EINVAL;
    };
    EXPECT_TRUE(refuses([&] { return tenure_malloc(tenant, 100); }));
    EXPECT_TRUE(refuses([&] { return tenure_malloc(tenant, kMiB); }));
    EXPECT_TRUE(refuses([&] { return tenure_calloc(tenant, 10, 10); }));
    EXPECT_TRUE(refuses([&] { return tenure_aligned_alloc(tenant, 64, 64); }));
    EXPECT_TRUE(refuses([&] { return tenure_transfer(tenant, block); }));
  }
  errno = 0;
  EXPECT_EQ(tenure_cache_alloc_for(cache, none), nullptr);
  EXPECT_EQ(errno, EINVAL);
  EXPECT_EQ(tenure_owner(block), tenure_root());
  free(block);
  {
    const Inside inside(none);
    EXPECT_EQ(tenure_cache_alloc(cache), nullptr);
    EXPECT_EQ(tenure_cache_alloc_for(cache, nullptr), nullptr);
  }
  EXPECT_EQ(tenure_cache_destroy(cache, nullptr), 0);
}

TEST_F(NoTenantTest, ACachesNullIsTheCurrentTenant) {
  tenure_cache* cache = nullptr;
  ASSERT_EQ(tenure_cache_create("objects", 100, 0, 0, nullptr, &cache), 0);
  Tenant tenant("tenant");
  const Inside inside(tenant);
  void* const object = tenure_cache_alloc_for(cache, nullptr);
  EXPECT_EQ(owner_id(object), tenure_tenant_id(tenant));
  tenure_cache_free(cache, object);
  EXPECT_EQ(tenure_cache_destroy(cache, nullptr), 0);
}

TEST_F(NoTenantTest, NothingAboutItChanges) {
  tenure_tenant* const none = failed_creation();
  const struct {
    tenure_tenant* handle;
    int error;
  } cases[] = {{none, -ENODEV}, {nullptr, -EINVAL}};
  for (const auto& [handle, error] : cases) {
    for (const unsigned flags : {0u, TENURE_RECURSIVE})
      EXPECT_EQ(tenure_tenant_offline(handle, flags), error);
    for (int which = TENURE_MIN; which <= TENURE_RESERVE; ++which) {
      EXPECT_EQ(tenure_tenant_set_limit(handle, tenure_limit(which), kMiB), error);
      EXPECT_EQ(tenure_tenant_limit(handle, tenure_limit(which)), 0u);
    }
    EXPECT_EQ(tenure_tenant_set_policy(handle, TENURE_OBSERVE), error);
    EXPECT_EQ(tenure_tenant_set_eventfd(handle, -1, 0), error);
    EXPECT_EQ(tenure_tenant_set_handler(handle, TENURE_EVENT_MAX, nullptr, nullptr), error);
    TenantStats stats = {};
    stats.struct_size = sizeof stats;
    EXPECT_EQ(tenure_tenant_stats(handle, &stats), error);
    EXPECT_EQ(tenure_tenant_online(handle), 0);
    EXPECT_EQ(tenure_tenant_id(handle), UINT32_MAX);
    EXPECT_STREQ(tenure_tenant_name(handle), "(none)");
    EXPECT_EQ(path_of(handle), "(none)");
    EXPECT_EQ(tenure_tenant_parent(handle), nullptr);
    EXPECT_EQ(tenure_tenant_read_events(handle), 0u);
    tenure_tenant_reset_peak(handle);
    EXPECT_EQ(tenure_tenant_ref(handle), handle);
    for (int i = 0; i < 3; ++i) tenure_tenant_close(handle);
  }
  EXPECT_EQ(tenure_tenant_for_each(none, do_nothing, nullptr), -ENODEV);
  EXPECT_EQ(tenure_reclaim(none, SIZE_MAX), 0u);
}

TEST_F(NoTenantTest, NoItemIsItsOwn) {
  tenure_lru* lru = nullptr;
  ASSERT_EQ(tenure_lru_create(&lru), 0);
  tenure_tenant* const none = failed_creation();
  tenure_lru_item item = {};
  EXPECT_EQ(tenure_lru_add_for(lru, none, &item), -ENODEV);
  EXPECT_EQ(tenure_lru_add_for(lru, nullptr, &item), -EINVAL);
  {
    const Inside inside(none);
    EXPECT_EQ(tenure_lru_add(lru, &item), -ENODEV);
  }
  EXPECT_EQ(tenure_lru_count(lru, none), 0u);
  EXPECT_EQ(tenure_lru_count(lru, tenure_root()), 0u);
  EXPECT_EQ(tenure_lru_destroy(lru), 0);
}

TEST_F(NoTenantTest, NullAsAParentAndAsATopIsTheRoot) {
  tenure_tenant* handle = nullptr;
  ASSERT_EQ(tenure_tenant_create(nullptr, "tenant", 0, &handle), 0);
  const Tenant tenant = Tenant::adopt(handle);
  EXPECT_EQ(path_of(tenant), "/tenant");
  EXPECT_EQ(tenure_tenant_parent(tenant), tenure_root());
  int visits = 0;
  const auto count = [](tenure_tenant*, void* to) {
    ++*static_cast<int*>(to);
    return 0;
  };
  EXPECT_EQ(tenure_tenant_for_each(nullptr, count, &visits), 0);
  EXPECT_EQ(visits, 2);
}

TEST_F(NoTenantTest, TheRootsHandleNeedsNoCare) {
  EXPECT_EQ(tenure_current(), tenure_root());
  EXPECT_EQ(tenure_tenant_find("/"), tenure_root());
  for (int i = 0; i < 10; ++i) tenure_tenant_close(tenure_root());
  EXPECT_EQ(tenure_tenant_ref(tenure_root()), tenure_root());
  void* const block = tenure_malloc(tenure_root(), 100);
  EXPECT_EQ(tenure_owner(block), tenure_root());
  free(block);
}

TEST_F(NoTenantTest, MallocIsOurs) { EXPECT_EQ(tenure_active(), 1); }

}  // namespace
}  // namespace blackbox
