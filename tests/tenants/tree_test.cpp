// The tree: names, paths, lookup, ids, errors.

#include <set>

#include "tests/tenants/support/tenant_test.h"

namespace blackbox {
namespace {

using TreeTest = TenantTest;

int try_create(tenure_tenant* parent, const char* name, unsigned flags = 0) {
  tenure_tenant* made = nullptr;
  const int error = tenure_tenant_create(parent, name, flags, &made);
  if (error == 0) Tenant::adopt(made).offline();
  return error;
}

TEST_F(TreeTest, RootIsThere) {
  EXPECT_EQ(tenure_tenant_id(tenure_root()), 0u);
  EXPECT_STREQ(tenure_tenant_name(tenure_root()), "");
  EXPECT_EQ(path_of(tenure_root()), "/");
  EXPECT_EQ(tenure_tenant_online(tenure_root()), 1);
  EXPECT_EQ(tenure_tenant_parent(tenure_root()), nullptr);
  EXPECT_EQ(tenure_tenant_offline(tenure_root(), 0), -EINVAL);
  EXPECT_EQ(tenure_tenant_offline(tenure_root(), TENURE_RECURSIVE), -EINVAL);
  for (int which = TENURE_MIN; which <= TENURE_RESERVE; ++which)
    EXPECT_EQ(tenure_tenant_set_limit(tenure_root(), tenure_limit(which), kMiB), -EINVAL) << which;
  EXPECT_EQ(tenure_tenant_limit(tenure_root(), TENURE_MAX), TENURE_UNLIMITED);
  tenure_tenant_close(tenure_root());
  tenure_tenant* root = tenure_tenant_find("/");
  EXPECT_EQ(tenure_tenant_id(root), 0u);
  tenure_tenant_close(root);
}

TEST_F(TreeTest, TheRootsMetadataIsPartOfTheHeaps) {
  free(malloc(100));
  struct tenure_stats heap = {};
  heap.struct_size = sizeof heap;
  ASSERT_EQ(tenure_stats(&heap), 0);
  EXPECT_GT(stats_of(tenure_root()).meta, 0u);
  EXPECT_LE(stats_of(tenure_root()).meta, heap.meta);
}

TEST_F(TreeTest, NewTenantIsEmptyAndUnlimited) {
  Tenant tenant("new");
  EXPECT_EQ(tenure_tenant_online(tenant), 1);
  EXPECT_STREQ(tenure_tenant_name(tenant), "new");
  EXPECT_NE(tenure_tenant_id(tenant), 0u);
  const TenantStats stats = tenant.stats();
  EXPECT_EQ(stats.usage, 0u);
  EXPECT_EQ(stats.peak, 0u);
  EXPECT_EQ(stats.allocated, 0u);
  EXPECT_EQ(stats.cached, 0u);
  EXPECT_EQ(stats.failures, 0u);
  EXPECT_EQ(stats.children, 0u);
  for (size_t count : stats.events) EXPECT_EQ(count, 0u);
  EXPECT_EQ(tenure_tenant_limit(tenant, TENURE_MIN), 0u);
  EXPECT_EQ(tenure_tenant_limit(tenant, TENURE_LOW), 0u);
  EXPECT_EQ(tenure_tenant_limit(tenant, TENURE_HIGH), TENURE_UNLIMITED);
  EXPECT_EQ(tenure_tenant_limit(tenant, TENURE_MAX), TENURE_UNLIMITED);
  EXPECT_EQ(tenure_tenant_limit(tenant, TENURE_RESERVE), 64 * kKiB);
  EXPECT_EQ(tenure_tenant_policy(tenant), TENURE_FAIL_LARGE);
}

TEST_F(TreeTest, Names) {
  for (const char* bad : {"", ".", "..", "/", "a/b", "/a", "a/"})
    EXPECT_EQ(try_create(nullptr, bad), -EINVAL) << '"' << bad << '"';
  EXPECT_EQ(try_create(nullptr, nullptr), -EINVAL);
  EXPECT_EQ(try_create(nullptr, std::string(64, 'x').c_str()), -EINVAL);
  EXPECT_EQ(try_create(nullptr, "x", 1u << 31), -EINVAL);
  EXPECT_EQ(tenure_tenant_create(nullptr, "x", 0, nullptr), -EINVAL);
  const std::string longest(63, 'x');
  for (const std::string& good : {std::string("a"), longest, std::string("..."), std::string(".a"),
                                  std::string(" "), std::string("\xC3\xBC\x01\x7F")}) {
    Tenant tenant(good);
    EXPECT_EQ(tenure_tenant_name(tenant), good);
    EXPECT_EQ(path_of(tenant), "/" + good);
    Tenant found = Tenant::adopt(tenure_tenant_find(("/" + good).c_str()));
    EXPECT_EQ(tenure_tenant_id(found), tenure_tenant_id(tenant));
    found.close();
  }
}

TEST_F(TreeTest, NameIsCopied) {
  char name[] = "before";
  Tenant tenant(name);
  strcpy(name, "after");
  EXPECT_STREQ(tenure_tenant_name(tenant), "before");
}

TEST_F(TreeTest, NamesAreUniqueAmongOnlineSiblings) {
  Tenant shop("shop"), other("other");
  Tenant first("acme", shop);
  EXPECT_EQ(try_create(shop, "acme"), -EEXIST);
  EXPECT_EQ(try_create(other, "acme"), 0);
  EXPECT_EQ(try_create(nullptr, "acme"), 0);
  first.offline();
  Tenant second("acme", shop);
  EXPECT_EQ(tenure_tenant_online(first), 0);
  Tenant found = Tenant::adopt(tenure_tenant_find("/shop/acme"));
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(tenure_tenant_id(found), tenure_tenant_id(second));
  found.close();
}

TEST_F(TreeTest, LookupByPath) {
  Tenant shop("shop"), acme("acme", shop), web("web", acme);
  EXPECT_EQ(path_of(web), "/shop/acme/web");
  Tenant found = Tenant::adopt(tenure_tenant_find("/shop/acme/web"));
  EXPECT_EQ(tenure_tenant_id(found), tenure_tenant_id(web));
  found.close();
  for (const char* wrong : {"", "shop", "/sho", "/shopp", "/shop/acme/web/x", "/acme", "/shop/web"})
    EXPECT_EQ(tenure_tenant_find(wrong), nullptr) << wrong;
  web.offline();
  EXPECT_EQ(tenure_tenant_find("/shop/acme/web"), nullptr);
  Tenant parent = Tenant::adopt(tenure_tenant_parent(acme));
  EXPECT_EQ(tenure_tenant_id(parent), tenure_tenant_id(shop));
  parent.close();
}

TEST_F(TreeTest, PathIsCutAsSnprintfDoes) {
  Tenant shop("shop"), acme("acme", shop);
  char buffer[8];
  memset(buffer, '#', sizeof buffer);
  EXPECT_EQ(tenure_tenant_path(acme, buffer, 6), 10u);
  EXPECT_STREQ(buffer, "/shop");
  EXPECT_EQ(buffer[6], '#');
  EXPECT_EQ(tenure_tenant_path(acme, buffer, 1), 10u);
  EXPECT_STREQ(buffer, "");
  EXPECT_EQ(tenure_tenant_path(acme, nullptr, 0), 10u);
}

TEST_F(TreeTest, OfflineErrors) {
  Tenant shop("shop"), acme("acme", shop);
  EXPECT_EQ(shop.try_offline(), -EBUSY);
  EXPECT_EQ(shop.try_offline(1u << 30), -EINVAL);
  EXPECT_EQ(tenure_tenant_online(shop), 1);
  EXPECT_EQ(tenure_tenant_online(acme), 1);
  acme.offline();
  EXPECT_EQ(acme.try_offline(), -EALREADY);
  EXPECT_EQ(acme.try_offline(TENURE_RECURSIVE), -EALREADY);
  shop.offline();
  EXPECT_EQ(shop.try_offline(), -EALREADY);
  EXPECT_EQ(try_create(shop, "late"), -ENODEV);
  EXPECT_EQ(try_create(acme, "late"), -ENODEV);
}

TEST_F(TreeTest, HandleOutlivesOffline) {
  Tenant shop("shop"), acme("acme", shop);
  Tenant another = Tenant::adopt(tenure_tenant_ref(acme));
  EXPECT_EQ(static_cast<tenure_tenant*>(another), static_cast<tenure_tenant*>(acme));
  const uint32_t id = tenure_tenant_id(acme);
  shop.offline(TENURE_RECURSIVE);
  tenure_reap();
  EXPECT_EQ(tenure_tenant_online(acme), 0);
  EXPECT_STREQ(tenure_tenant_name(acme), "acme");
  EXPECT_EQ(tenure_tenant_id(acme), id);
  EXPECT_EQ(path_of(acme), "/shop/acme");
  acme.close();
  EXPECT_STREQ(tenure_tenant_name(another), "acme");
  another.close();
}

TEST_F(TreeTest, RecursiveOfflineTakesAll) {
  Tenant top("top");
  std::vector<Tenant> below;
  for (int i = 0; i < 10; ++i) {
    below.emplace_back("child" + std::to_string(i), top);
    for (int k = 0; k < 3; ++k)
      below.emplace_back("grandchild" + std::to_string(k), below[size_t(i) * 4]);
  }
  EXPECT_EQ(top.stats().children, 10u);
  top.offline(TENURE_RECURSIVE);
  for (Tenant& tenant : below) EXPECT_EQ(tenure_tenant_online(tenant), 0);
}

TEST_F(TreeTest, DepthIsBounded) {
  std::vector<Tenant> levels;
  tenure_tenant* last = nullptr;
  for (int depth = 1; depth <= 31; ++depth) {
    levels.emplace_back("level" + std::to_string(depth), last);
    last = levels.back();
  }
  EXPECT_EQ(try_create(last, "too-deep"), -EMLINK);
  // The deepest works like any other, and all above it pay.
  void* block = tenure_malloc(last, 100 * kKiB);
  ASSERT_NE(block, nullptr);
  for (Tenant& tenant : levels) EXPECT_GE(tenant.usage(), 100 * kKiB);
  free(block);
  while (!levels.empty()) levels.pop_back();
}

TEST_F(TreeTest, ForEachVisitsParentsFirst) {
  Tenant top("top"), a("a", top), b("b", top), aa("aa", a), gone("gone", b);
  gone.offline();
  struct Walk {
    std::set<std::string> seen;
    bool ordered = true;
    int stop_after = 1000;
  } walk;
  const auto visit = [](tenure_tenant* tenant, void* argument) {
    auto* state = static_cast<Walk*>(argument);
    const std::string path = path_of(tenant);
    const std::string parent = path.substr(0, path.rfind('/'));
    if (path != "/top" && !state->seen.contains(parent)) state->ordered = false;
    state->seen.insert(path);
    return --state->stop_after == 0 ? 42 : 0;
  };
  EXPECT_EQ(tenure_tenant_for_each(top, visit, &walk), 0);
  EXPECT_EQ(walk.seen, (std::set<std::string>{"/top", "/top/a", "/top/b", "/top/a/aa"}));
  EXPECT_TRUE(walk.ordered);
  Walk cut;
  cut.stop_after = 2;
  EXPECT_EQ(tenure_tenant_for_each(top, visit, &cut), 42);
  EXPECT_EQ(cut.seen.size(), 2u);
}

TEST_F(TreeTest, IdsAreUniqueAndReused) {
  std::set<uint32_t> ids = {0};
  std::vector<Tenant> tenants;
  for (int i = 0; i < 300; ++i) {
    tenants.emplace_back("t" + std::to_string(i));
    EXPECT_TRUE(ids.insert(tenure_tenant_id(tenants.back())).second);
  }
  tenants.clear();
  tenure_reap();
  // Were ids never reused, they would grow without end.
  uint32_t largest = 0;
  for (int i = 0; i < 5000; ++i) {
    Tenant tenant("t");
    largest = std::max(largest, tenure_tenant_id(tenant));
    tenant.offline();
    tenant.close();
    if (i % 100 == 0) tenure_reap();
  }
  EXPECT_LT(largest, 2000u);
}

TEST_F(TreeTest, StatsFollowTheStructSize) {
  Tenant tenant("tenant");
  TenantStats stats;
  memset(&stats, 0x77, sizeof stats);
  stats.struct_size = offsetof(TenantStats, peak);
  EXPECT_EQ(tenure_tenant_stats(tenant, &stats), 0);
  EXPECT_EQ(stats.usage, 0u);
  EXPECT_EQ(stats.peak, size_t(0x7777777777777777));
  stats.struct_size = sizeof(size_t) - 1;
  EXPECT_EQ(tenure_tenant_stats(tenant, &stats), -EINVAL);
  struct {
    TenantStats known;
    size_t later[4];
  } larger = {};
  larger.known.struct_size = sizeof larger;
  EXPECT_EQ(tenure_tenant_stats(tenant, &larger.known), 0);
}

}  // namespace
}  // namespace blackbox
