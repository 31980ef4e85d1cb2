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

TEST(RootHandle, IsGivenByName) {
  const Tenant root = Tenant::root();
  EXPECT_TRUE(root.is_root());
  EXPECT_TRUE(root.online());
  EXPECT_EQ(root.id(), 0u);
  EXPECT_STREQ(root.name(), "");
  EXPECT_EQ(root.path(), "/");
  EXPECT_FALSE(root.parent());
  EXPECT_EQ(Tenant::find("/"), root);
}

TEST(RootHandle, HasNoLimitAndNoEnd) {
  Tenant root = Tenant::root();
  EXPECT_EQ(error_of([&] { root.set_limit(TENURE_MAX, kMiB); }), EINVAL);
  EXPECT_EQ(error_of([&] { root.offline(); }), EINVAL);
}

// What has no tenant must not be taken for the root.
TEST_F(TenantHandle, OfNoTenantIsNotTheRoot) {
  Tenant none;
  EXPECT_FALSE(none);
  EXPECT_FALSE(none.is_root());
  EXPECT_NE(none, Tenant::root());
  EXPECT_FALSE(none.online());
  EXPECT_EQ(error_of([&] { none.set_limit(TENURE_MAX, kMiB); }), EINVAL);
  EXPECT_EQ(error_of([&] { none.offline(); }), EINVAL);
  EXPECT_EQ(error_of([&] { Tenant::create("orphan", 0, none); }), EINVAL);
  EXPECT_EQ(Tenant::find("/orphan"), std::nullopt);
  EXPECT_THROW(tenure::Allocator<int>(none).allocate(1), std::bad_alloc);
  const tenure::Scope in_own(own);
  const tenure::Scope in_none(none);
  EXPECT_EQ(Tenant::current(), own);
}

TEST_F(TenantHandle, KnowsItsPlace) {
  const Tenant shop = child("shop");
  const Tenant acme = Tenant::create("acme", 0, shop);
  EXPECT_STREQ(acme.name(), "acme");
  EXPECT_EQ(acme.path(), "/KnowsItsPlace/shop/acme");
  EXPECT_EQ(acme.parent(), shop);
  EXPECT_TRUE(own.parent().is_root());
  EXPECT_NE(acme.id(), shop.id());
  EXPECT_EQ(own.stats().children, 1u);
}

TEST_F(TenantHandle, IsFoundByPath) {
  const Tenant acme = child("acme");
  EXPECT_EQ(Tenant::find("/IsFoundByPath/acme"), acme);
  EXPECT_EQ(Tenant::find("/IsFoundByPath/acm"), std::nullopt);
  EXPECT_EQ(Tenant::find("IsFoundByPath"), std::nullopt);
  EXPECT_EQ(Tenant::find(std::string("/IsFoundByPath/acme\0x", 21)), std::nullopt);
}

TEST_F(TenantHandle, IsNotMadeInVain) {
  const Tenant acme = child("acme");
  EXPECT_EQ(error_of([&] { child("acme"); }), EEXIST);
  EXPECT_EQ(error_of([&] { child(""); }), EINVAL);
  EXPECT_EQ(error_of([&] { child("a/b"); }), EINVAL);
  EXPECT_EQ(error_of([&] { child(std::string(64, 'x')); }), EINVAL);
  EXPECT_EQ(error_of([&] { child(std::string("x\0y", 3)); }), EINVAL) << "not /x";
  EXPECT_EQ(error_of([&] { child("acme2", 1u << 31); }), EINVAL);
  own.offline_recursively();
  EXPECT_EQ(error_of([&] { child("late"); }), ENODEV);
}

TEST_F(TenantHandle, IsCopiedAndMoved) {
  Tenant acme = child("acme");
  Tenant copy = acme;
  EXPECT_EQ(copy, acme);
  const Tenant moved = std::move(copy);
  EXPECT_EQ(moved, acme);
  EXPECT_FALSE(copy);  // NOLINT: what a moved-from handle is, is documented
  copy = moved;
  EXPECT_EQ(copy, acme);
  acme = Tenant();
  EXPECT_FALSE(acme);
  EXPECT_EQ(copy.path(), "/IsCopiedAndMoved/acme");
}

TEST_F(TenantHandle, StaysGoodAfterOffline) {
  Tenant acme = child("acme");
  EXPECT_EQ(error_of([&] { own.offline(); }), EBUSY);
  acme.offline();
  EXPECT_EQ(error_of([&] { acme.offline(); }), EALREADY);
  EXPECT_FALSE(acme.online());
  EXPECT_STREQ(acme.name(), "acme");
  EXPECT_EQ(Tenant::find("/StaysGoodAfterOffline/acme"), std::nullopt);

  const Scope scope(acme);
  const auto block = block_of(kMiB);
  EXPECT_EQ(Tenant::owner(block.get()), own);
}

TEST_F(TenantHandle, HasLimits) {
  EXPECT_EQ(own.limit(TENURE_MAX), TENURE_UNLIMITED);
  EXPECT_EQ(own.limit(TENURE_MIN), 0u);
  for (const enum tenure_limit which :
       {TENURE_MIN, TENURE_LOW, TENURE_HIGH, TENURE_MAX, TENURE_RESERVE}) {
    own.set_limit(which, 64 * kMiB);
    EXPECT_EQ(own.limit(which), 64 * kMiB);
  }
  EXPECT_EQ(own.policy(), TENURE_FAIL_LARGE);
  own.set_policy(TENURE_FAIL_ALL);
  EXPECT_EQ(own.policy(), TENURE_FAIL_ALL);
  EXPECT_EQ(error_of([&] { own.set_policy(static_cast<enum tenure_policy>(99)); }), EINVAL);
}

TEST_F(TenantHandle, IsChargedWhatIsAllocatedInside) {
  std::unique_ptr<char[]> block;
  {
    const Scope scope(own);
    block = block_of(4 * kMiB);
  }
  EXPECT_EQ(Tenant::owner(block.get()), own);
  EXPECT_GE(own.usage(), 4 * kMiB);
  EXPECT_GE(own.stats().allocated, 4 * kMiB);
  block.reset();
  EXPECT_LT(own.usage(), 4 * kMiB);
  EXPECT_GE(own.stats().peak, 4 * kMiB);
  own.reset_peak();
  EXPECT_LT(own.stats().peak, 4 * kMiB);
}

TEST_F(TenantHandle, MaxRefusesInside) {
  own.set_limit(TENURE_MAX, 8 * kMiB);
  const Scope scope(own);
  EXPECT_THROW(block_of(16 * kMiB), std::bad_alloc);
  EXPECT_GE(own.stats().failures, 1u);
  EXPECT_GE(own.stats().events[TENURE_EVENT_MAX], 1u);
  EXPECT_NO_THROW(block_of(2 * kMiB));
  EXPECT_LE(own.stats().peak, 8 * kMiB);
}

TEST_F(TenantHandle, WalksItsTree) {
  const Tenant a = child("a");
  const Tenant b = Tenant::create("b", 0, a);
  std::vector<Tenant> seen;
  own.for_each([&](const Tenant& tenant) { seen.push_back(tenant); });
  EXPECT_EQ(seen, (std::vector<Tenant>{own, a, b}));

  seen.clear();
  own.for_each([&](const Tenant& tenant) {
    seen.push_back(tenant);
    return tenant != a;
  });
  EXPECT_EQ(seen, (std::vector<Tenant>{own, a}));
}

TEST_F(TenantHandle, WalksPassExceptionsOn) {
  const Tenant a = child("a");
  int visits = 0;
  const auto visit = [&](const Tenant&) {
    ++visits;
    throw std::runtime_error("enough");
  };
  EXPECT_THROW(own.for_each(visit), std::runtime_error);
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
  EXPECT_EQ(Tenant::owner(block.get()), own);
  EXPECT_GE(own.usage(), 2 * kMiB);

  block.reset();
  tenure_reap();
  EXPECT_EQ(bytes_left_by("leaky"), 0u);
}

TEST_F(TenantHandle, ReclaimsWhatIsCached) {
  {
    const Scope scope(own);
    std::vector<std::unique_ptr<char[]>> blocks(1000);
    for (auto& block : blocks) block = block_of(1000);
  }
  const size_t before = own.usage();
  const size_t given_back = own.reclaim(before);
  EXPECT_EQ(own.usage(), before - given_back);
  EXPECT_LT(own.usage(), 500u * 1000);
}

}  // namespace
