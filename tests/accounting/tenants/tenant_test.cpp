#include <errno.h>

#include <algorithm>
#include <string>

#include "accounting/tenants/tenant_ids.h"
#include "accounting/tenants/tenant_names.h"
#include "tests/accounting/tree_fixture.h"

namespace tenure {
namespace {

using TenantTest = TreeTest;

std::string path_of(const Tenant& tenant) {
  LineBuffer line;
  tenant.write_path(line);
  return {line.data(), line.size()};
}

Tenant* find_and_unpin(const char* path) {
  Tenant* tenant = find_tenant(path);
  if (tenant) tenant->unpin();
  return tenant;
}

TEST_F(TenantTest, RootIsThere) {
  EXPECT_EQ(root_tenant.parent(), nullptr);
  EXPECT_EQ(root_tenant.id(), kRootTenant);
  EXPECT_TRUE(root_tenant.online());
  EXPECT_EQ(path_of(root_tenant), "/");
  EXPECT_EQ(find_and_unpin("/"), &root_tenant);
  EXPECT_EQ(offline_tenant(root_tenant, 0), -EINVAL);
}

TEST_F(TenantTest, CreatesFindsAndNames) {
  Tenant& shop = make(root_tenant, "shop");
  Tenant& acme = make(shop, "acme");
  const std::string longest(kLongestName, 'x');
  Tenant& deep = make(acme, longest.c_str());
  EXPECT_EQ(path_of(acme), "/shop/acme");
  EXPECT_EQ(find_and_unpin("/shop"), &shop);
  EXPECT_EQ(find_and_unpin("/shop/acme"), &acme);
  EXPECT_EQ(find_and_unpin(("/shop/acme/" + longest).c_str()), &deep);
  EXPECT_EQ(std::string(deep.name()), longest);
  for (const char* path :
       {"", "shop", "/shop/", "//", "/acme", "/shop/acm", "/shop/acme2", "/shop//acme"}) {
    EXPECT_EQ(find_and_unpin(path), nullptr) << path;
  }
  EXPECT_TRUE(validate_tenants());
  EXPECT_EQ(tenants_online(), 3u);
}

TEST_F(TenantTest, RefusesBadNames) {
  Tenant* tenant = nullptr;
  const std::string too_long(kLongestName + 1, 'x');
  for (const char* name : {"", "a/b", "/", ".", "..", too_long.c_str()}) {
    EXPECT_EQ(create_tenant(root_tenant, name, &tenant), -EINVAL) << name;
    EXPECT_EQ(tenant, nullptr);
  }
  make(root_tenant, "...");
  make(root_tenant, "a");
  EXPECT_EQ(create_tenant(root_tenant, "a", &tenant), -EEXIST);
}

TEST_F(TenantTest, SameNameUnderAnotherParentAndAfterOffline) {
  Tenant& a = make(root_tenant, "a");
  Tenant& aa = make(a, "a");
  EXPECT_NE(&a, &aa);
  EXPECT_EQ(offline_tenant(aa, 0), 0);
  Tenant& again = make(a, "a");
  EXPECT_NE(&again, &aa);  // The first handle is still held.
  EXPECT_EQ(find_and_unpin("/a/a"), &again);
}

TEST_F(TenantTest, IdsAreLowestFreeAndReusedAfterAGracePeriod) {
  Tenant& a = make(root_tenant, "a");
  Tenant& b = make(root_tenant, "b");
  EXPECT_EQ(index_of(a.id()), 1u);
  EXPECT_EQ(index_of(b.id()), 2u);
  {
    grace::ReadSection section;  // Readers may still use the id.
    EXPECT_EQ(tenant_by_id(a.id()), &a);
    EXPECT_EQ(offline_tenant(a, 0), 0);
    EXPECT_EQ(tenant_by_id(TenantId{1}), nullptr);
    EXPECT_EQ(index_of(make(root_tenant, "c").id()), 3u);
  }
  flush_tenants();
  EXPECT_EQ(a.current_state(), TenantState::kGone);
  EXPECT_EQ(index_of(make(root_tenant, "d").id()), 1u);
}

TEST_F(TenantTest, OfflineIsBusyWithChildren) {
  Tenant& a = make(root_tenant, "a");
  Tenant& b = make(a, "b");
  EXPECT_EQ(offline_tenant(a, 0), -EBUSY);
  EXPECT_EQ(offline_tenant(a, 2), -EINVAL);
  EXPECT_TRUE(a.online());
  EXPECT_EQ(offline_tenant(b, 0), 0);
  EXPECT_EQ(offline_tenant(b, 0), -EALREADY);
  EXPECT_EQ(offline_tenant(a, 0), 0);
  Tenant* child = nullptr;
  EXPECT_EQ(create_tenant(a, "late", &child), -ENODEV);
}

TEST_F(TenantTest, RecursiveOfflineTakesChildrenFirst) {
  Tenant& a = make(root_tenant, "a");
  Tenant& b = make(a, "b");
  Tenant& c = make(b, "c");
  Tenant& d = make(a, "d");
  static std::vector<Tenant*> order;
  order.clear();
  register_offline_hooks({[](Tenant& t) { order.push_back(&t); }, nullptr});
  EXPECT_EQ(offline_tenant(a, kOfflineRecursive), 0);
  ASSERT_EQ(order.size(), 4u);
  EXPECT_EQ(order.back(), &a);
  EXPECT_LT(std::find(order.begin(), order.end(), &c), std::find(order.begin(), order.end(), &b));
  for (Tenant* tenant : {&a, &b, &c, &d}) EXPECT_FALSE(tenant->online());
}

TEST_F(TenantTest, HooksRunInOrder) {
  static std::string steps;
  steps.clear();
  static Tenant* parent;
  Tenant& a = make(root_tenant, "a");
  Tenant& b = make(a, "b");
  parent = &a;
  register_offline_hooks({[](Tenant& t) {
                            steps += "kill ";
                            EXPECT_EQ(&t.nearest_online(), parent);
                            EXPECT_NE(t.context.load(), nullptr);
                          },
                          [](Tenant& t) {
                            steps += "drain";
                            EXPECT_EQ(t.context.load(), nullptr);
                            EXPECT_EQ(t.contexts.first(), nullptr);
                          }});
  EXPECT_EQ(offline_tenant(b, 0), 0);
  EXPECT_EQ(steps, "kill drain");
}

TEST_F(TenantTest, ThreadsInsideGoOnInTheNearestOnlineAncestor) {
  Tenant& a = make(root_tenant, "a");
  Tenant& b = make(a, "b");
  EXPECT_EQ(&b.nearest_online(), &b);
  offline_tenant(b, 0);
  flush_tenants();
  EXPECT_EQ(&b.nearest_online(), &a);
  AccountingContext* context = charge(b, 100, RequestKind::kSmall);
  ASSERT_NE(context, nullptr);
  EXPECT_EQ(a.counter.usage(), 100u);
  EXPECT_EQ(b.counter.usage(), 0u);
  offline_tenant(a, 0);
  flush_tenants();
  EXPECT_EQ(&b.nearest_online(), &root_tenant);
  EXPECT_EQ(root_tenant.counter.usage(), 100u);
  uncharge(*context, 100);
}

TEST_F(TenantTest, ParentsStayWhileAChildIsPinned) {
  Tenant *a = nullptr, *b = nullptr;
  ASSERT_EQ(create_tenant(root_tenant, "a", &a), 0);
  ASSERT_EQ(create_tenant(*a, "b", &b), 0);
  EXPECT_EQ(offline_tenant(*a, kOfflineRecursive), 0);
  a->unpin();
  flush_tenants();
  EXPECT_EQ(path_of(*b), "/a/b");
  EXPECT_EQ(&b->nearest_online(), &root_tenant);
  b->unpin();  // Frees both; TearDown looks.
}

TEST_F(TenantTest, DepthIsBounded) {
  Tenant* at = &root_tenant;
  for (unsigned depth = 1; depth < kDeepest; ++depth) at = &make(*at, "d");
  Tenant* tenant = nullptr;
  EXPECT_EQ(create_tenant(*at, "d", &tenant), -EMLINK);
  AccountingContext* context = charge(*at, 10, RequestKind::kSmall);
  ASSERT_NE(context, nullptr);
  uncharge(*context, 10);
}

TEST_F(TenantTest, WalksTheSubtree) {
  Tenant& a = make(root_tenant, "a");
  Tenant& b = make(a, "b");
  make(b, "c");
  make(a, "d");
  make(root_tenant, "e");
  int all = 0, below = 0;
  for_each_in_subtree(root_tenant, [&all](Tenant&) { return ++all != 0; });
  for_each_in_subtree(a, [&](Tenant& tenant) {
    EXPECT_TRUE(&tenant == &a || tenant.parent() == &a || tenant.parent() == &b);
    return ++below != 0;
  });
  EXPECT_EQ(all, 6);
  EXPECT_EQ(below, 4);
}

TEST_F(TenantTest, ProtectionFollowsTheTree) {
  Tenant& a = make(root_tenant, "a");
  Tenant& b = make(a, "b");
  Tenant& c = make(a, "c");
  AccountingContext* in_b = charge(b, 300, RequestKind::kSmall);
  AccountingContext* in_c = charge(c, 100, RequestKind::kSmall);
  a.counter.set_min(200);
  b.counter.set_min(300);
  c.counter.set_min(500);  // Claims only the 100 it uses.
  b.counter.set_low(50);
  grace::ReadSection section;
  EXPECT_EQ(a.protection_from(root_tenant).min, 200u);
  EXPECT_EQ(b.protection_from(root_tenant).min, 150u);
  EXPECT_EQ(c.protection_from(root_tenant).min, 50u);
  EXPECT_EQ(b.protection_from(root_tenant).low, 0u);  // The parent has none to give.
  EXPECT_EQ(b.protection_from(a).min, 300u);
  EXPECT_EQ(b.protection_from(a).low, 50u);
  EXPECT_EQ(b.protection_from(b).min, 0u);
  uncharge(*in_b, 300);
  uncharge(*in_c, 100);
}

TEST_F(TenantTest, IdleTenantsCostLittle) {
  constexpr int kTenants = 5000;
  const size_t before = meta_arena.in_use();
  for (int i = 0; i < kTenants; ++i) make(root_tenant, ("tenant-" + std::to_string(i)).c_str());
  const size_t each = (meta_arena.in_use() - before) / kTenants;
  EXPECT_LE(each, 400u);
  EXPECT_TRUE(validate_tenants());
}

TEST_F(TenantTest, TenThousandCyclesInFlatMemory) {
  for (int i = 0; i < 10000; ++i) {
    Tenant* tenant = nullptr;
    ASSERT_EQ(create_tenant(root_tenant, i % 2 ? "even" : "a name that needs a block of its own",
                            &tenant),
              0);
    ASSERT_LE(index_of(tenant->id()), 4u);
    ASSERT_EQ(offline_tenant(*tenant, 0), 0);
    tenant->unpin();
    ASSERT_LE(metadata(), metadata_before_ + 8 * 1024) << i;
  }
}

TEST_F(TenantTest, NamesTableGrowsAndShrinks) {
  const size_t small = names_bytes();
  std::vector<Tenant*> many;
  for (int i = 0; i < 3000; ++i) {
    Tenant* tenant = nullptr;
    ASSERT_EQ(create_tenant(root_tenant, std::to_string(i).c_str(), &tenant), 0);
    many.push_back(tenant);
  }
  EXPECT_GT(names_bytes(), 3000 * sizeof(void*));
  for (int i = 0; i < 3000; ++i)
    EXPECT_EQ(find_and_unpin(("/" + std::to_string(i)).c_str()), many[static_cast<size_t>(i)]);
  for (Tenant* tenant : many) {
    EXPECT_EQ(offline_tenant(*tenant, 0), 0);
    tenant->unpin();
  }
  EXPECT_EQ(names_bytes(), small);
}

}  // namespace
}  // namespace tenure
