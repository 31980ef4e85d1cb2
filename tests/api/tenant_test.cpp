#include "tenants.h"

#include <cerrno>
#include <cstring>
#include <new>
#include <stdexcept>
#include <vector>

namespace {

using api_test::block_of;
using api_test::error_of;
using api_test::kMiB;
using tenure::Scope;
using tenure::Tenant;

class TenantHandle : public api_test::WithTenant {};

TEST(RootHandle, IsTheDefault) {
  const Tenant root;
  EXPECT_TRUE(root.is_root());
  EXPECT_TRUE(root.online());
  EXPECT_EQ(root.id(), 0u);
  EXPECT_STREQ(root.name(), "");
  EXPECT_EQ(root.path(), "/");
  EXPECT_TRUE(root.parent().is_root());
  EXPECT_EQ(Tenant::find("/"), root);
}

TEST(RootHandle, HasNoLimitAndNoEnd) {
  Tenant root;
  EXPECT_EQ(error_of([&] { root.set_limit(TENURE_MAX, kMiB); }), EINVAL);
  EXPECT_EQ(error_of([&] { root.offline(); }), EINVAL);
}

TEST_F(TenantHandle, KnowsItsPlace) {
  const Tenant shop = child("shop");
  const Tenant acme = Tenant::create("acme", 0, shop);
  EXPECT_STREQ(acme.name(), "acme");
  EXPECT_EQ(acme.path(), "/KnowsItsPlace/shop/acme");
  EXPECT_EQ(acme.parent(), shop);
  EXPECT_TRUE(tenant_.parent().is_root());
  EXPECT_NE(acme.id(), shop.id());
  EXPECT_EQ(tenant_.stats().children, 1u);
}

TEST_F(TenantHandle, IsFoundByPath) {
  const Tenant acme = child("acme");
  EXPECT_EQ(Tenant::find("/IsFoundByPath/acme"), acme);
  EXPECT_EQ(Tenant::find("/IsFoundByPath/acm"), std::nullopt);
  EXPECT_EQ(Tenant::find("IsFoundByPath"), std::nullopt);
}

TEST_F(TenantHandle, IsNotMadeInVain) {
  const Tenant acme = child("acme");
  EXPECT_EQ(error_of([&] { child("acme"); }), EEXIST);
  EXPECT_EQ(error_of([&] { child(""); }), EINVAL);
  EXPECT_EQ(error_of([&] { child("a/b"); }), EINVAL);
  EXPECT_EQ(error_of([&] { child(std::string(64, 'x')); }), EINVAL);
  EXPECT_EQ(error_of([&] { child("acme2", 1u << 31); }), EINVAL);
  tenant_.offline_recursively();
  EXPECT_EQ(error_of([&] { child("late"); }), ENODEV);
}

TEST_F(TenantHandle, IsCopiedAndMoved) {
  Tenant acme = child("acme");
  Tenant copy = acme;
  EXPECT_EQ(copy, acme);
  const Tenant moved = std::move(copy);
  EXPECT_EQ(moved, acme);
  EXPECT_TRUE(copy.is_root());  // NOLINT(bugprone-use-after-move): its state is documented
  copy = moved;
  EXPECT_EQ(copy, acme);
  acme = Tenant();
  EXPECT_TRUE(acme.is_root());
  EXPECT_EQ(copy.path(), "/IsCopiedAndMoved/acme");
}

TEST_F(TenantHandle, StaysGoodAfterOffline) {
  Tenant acme = child("acme");
  EXPECT_EQ(error_of([&] { tenant_.offline(); }), EBUSY);
  acme.offline();
  EXPECT_EQ(error_of([&] { acme.offline(); }), EALREADY);
  EXPECT_FALSE(acme.online());
  EXPECT_STREQ(acme.name(), "acme");
  EXPECT_EQ(Tenant::find("/StaysGoodAfterOffline/acme"), std::nullopt);

  const Scope scope(acme);
  const auto block = block_of(kMiB);
  EXPECT_EQ(Tenant::owner(block.get()), tenant_);
}

TEST_F(TenantHandle, HasLimits) {
  EXPECT_EQ(tenant_.limit(TENURE_MAX), TENURE_UNLIMITED);
  EXPECT_EQ(tenant_.limit(TENURE_MIN), 0u);
  for (const enum tenure_limit which :
       {TENURE_MIN, TENURE_LOW, TENURE_HIGH, TENURE_MAX, TENURE_RESERVE}) {
    tenant_.set_limit(which, 64 * kMiB);
    EXPECT_EQ(tenant_.limit(which), 64 * kMiB);
  }
  EXPECT_EQ(tenant_.policy(), TENURE_FAIL_LARGE);
  tenant_.set_policy(TENURE_FAIL_ALL);
  EXPECT_EQ(tenant_.policy(), TENURE_FAIL_ALL);
  EXPECT_EQ(error_of([&] { tenant_.set_policy(static_cast<enum tenure_policy>(99)); }), EINVAL);
}

TEST_F(TenantHandle, IsChargedWhatIsAllocatedInside) {
  std::unique_ptr<char[]> block;
  {
    const Scope scope(tenant_);
    block = block_of(4 * kMiB);
  }
  EXPECT_EQ(Tenant::owner(block.get()), tenant_);
  EXPECT_GE(tenant_.usage(), 4 * kMiB);
  EXPECT_GE(tenant_.stats().allocated, 4 * kMiB);
  block.reset();
  EXPECT_LT(tenant_.usage(), 4 * kMiB);
  EXPECT_GE(tenant_.stats().peak, 4 * kMiB);
  tenant_.reset_peak();
  EXPECT_LT(tenant_.stats().peak, 4 * kMiB);
}

TEST_F(TenantHandle, MaxRefusesInside) {
  tenant_.set_limit(TENURE_MAX, 8 * kMiB);
  const Scope scope(tenant_);
  EXPECT_THROW(block_of(16 * kMiB), std::bad_alloc);
  EXPECT_GE(tenant_.stats().failures, 1u);
  EXPECT_GE(tenant_.stats().events[TENURE_EVENT_MAX], 1u);
  EXPECT_NO_THROW(block_of(2 * kMiB));
  EXPECT_LE(tenant_.stats().peak, 8 * kMiB);
}

TEST_F(TenantHandle, WalksItsTree) {
  const Tenant a = child("a");
  const Tenant b = Tenant::create("b", 0, a);
  std::vector<Tenant> seen;
  tenant_.for_each([&](const Tenant& tenant) { seen.push_back(tenant); });
  EXPECT_EQ(seen, (std::vector<Tenant>{tenant_, a, b}));

  seen.clear();
  tenant_.for_each([&](const Tenant& tenant) {
    seen.push_back(tenant);
    return tenant != a;
  });
  EXPECT_EQ(seen, (std::vector<Tenant>{tenant_, a}));
}

TEST_F(TenantHandle, WalksPassExceptionsOn) {
  const Tenant a = child("a");
  int visits = 0;
  const auto visit = [&](const Tenant&) {
    ++visits;
    throw std::runtime_error("enough");
  };
  EXPECT_THROW(tenant_.for_each(visit), std::runtime_error);
  EXPECT_EQ(visits, 1);
}

size_t bytes_left_by(const char* name) {
  size_t bytes = 0;
  tenure::for_each_dead([&](const struct tenure_dead& dead) {
    if (std::strcmp(dead.name, name) == 0) bytes += dead.bytes;
  });
  return bytes;
}

TEST_F(TenantHandle, NamesWhatTheDepartedLeft) {
  Tenant plugin = child("leaky");
  std::unique_ptr<char[]> block;
  {
    const Scope scope(plugin);
    block = block_of(2 * kMiB);
  }
  EXPECT_EQ(bytes_left_by("leaky"), 0u);
  plugin.offline();
  EXPECT_GE(bytes_left_by("leaky"), 2 * kMiB);
  EXPECT_GE(tenure_reap(), 1u);
  EXPECT_EQ(Tenant::owner(block.get()), tenant_);
  EXPECT_GE(tenant_.usage(), 2 * kMiB);

  block.reset();
  tenure_reap();
  EXPECT_EQ(bytes_left_by("leaky"), 0u);
}

TEST_F(TenantHandle, ReclaimsWhatIsCached) {
  {
    const Scope scope(tenant_);
    std::vector<std::unique_ptr<char[]>> blocks;
    for (int i = 0; i < 1000; ++i) blocks.push_back(block_of(1000));
  }
  const size_t before = tenant_.usage();
  const size_t given_back = tenant_.reclaim(before);
  EXPECT_EQ(tenant_.usage(), before - given_back);
  EXPECT_LT(tenant_.usage(), 500u * 1000);
}

}  // namespace
