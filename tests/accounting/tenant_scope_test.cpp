#include "accounting/tenant_scope.h"

#include "tests/accounting/tree_fixture.h"

namespace tenure {
namespace {

using TenantScopeTest = TreeTest;

TEST_F(TenantScopeTest, ZeroIsTheRoot) {
  const ScopeWord word;
  EXPECT_EQ(&word.tenant(), &root_tenant);
  EXPECT_FALSE(word.durable());
  EXPECT_EQ(ScopeWord::of(root_tenant, false), word);
}

TEST_F(TenantScopeTest, Nests) {
  Tenant& a = make(root_tenant, "a");
  Tenant& b = make(a, "b");
  ScopeWord current;
  const ScopeWord outer = enter(current, ScopeWord::of(a, true));
  EXPECT_EQ(&current.tenant(), &a);
  const ScopeWord middle = enter(current, ScopeWord::of(b, false));
  EXPECT_EQ(&current.tenant(), &b);
  const ScopeWord inner = enter(current, ScopeWord{});
  EXPECT_EQ(&current.tenant(), &root_tenant);
  leave(current, inner);
  EXPECT_EQ(&current.tenant(), &b);
  leave(current, middle);
  EXPECT_EQ(&current.tenant(), &a);
  EXPECT_TRUE(current.durable());
  leave(current, outer);
  EXPECT_EQ(current, ScopeWord{});
}

TEST_F(TenantScopeTest, OnlyDurableScopesAreInherited) {
  Tenant& a = make(root_tenant, "a");
  Tenant& b = make(a, "b");
  EXPECT_EQ(inherit(ScopeWord::of(b, false)), ScopeWord{});
  const ScopeWord inherited = inherit(ScopeWord::of(b, true));
  EXPECT_EQ(&inherited.tenant(), &b);
  release_scope(inherited);
  offline_tenant(b, 0);
  const ScopeWord from_parent = inherit(ScopeWord::of(b, true));
  EXPECT_EQ(&from_parent.tenant(), &a);
  release_scope(from_parent);
}

TEST_F(TenantScopeTest, CapturesKeepTheTenant) {
  Tenant* a = nullptr;
  ASSERT_EQ(create_tenant(root_tenant, "a", &a), 0);
  const ScopeWord captured = capture(ScopeWord::of(*a, false));
  offline_tenant(*a, 0);
  a->unpin();
  flush_tenants();
  EXPECT_EQ(&captured.tenant().nearest_online(), &root_tenant);
  release_scope(captured);
  release_scope(capture(ScopeWord{}));
}

}  // namespace
}  // namespace tenure
