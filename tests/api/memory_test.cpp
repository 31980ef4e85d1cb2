// Memory resources and allocators bound to a tenant.
#include "tenants.h"

#include <cstdint>
#include <list>
#include <map>
#include <memory_resource>
#include <new>
#include <string>
#include <thread>
#include <vector>

namespace {

using api_test::kMiB;
using tenure::Allocator;
using tenure::MemoryResource;
using tenure::Scope;
using tenure::Tenant;

class Resources : public api_test::WithTenant {};
class Allocators : public api_test::WithTenant {};

TEST_F(Resources, ChargeTheirTenant) {
  MemoryResource resource(tenant_);
  std::pmr::vector<std::pmr::string> words(&resource);
  const Tenant other = child("other");
  const Scope scope(other);
  for (int i = 0; i < 1000; ++i) words.emplace_back(100, 'x');
  EXPECT_EQ(Tenant::owner(words.data()), tenant_);
  EXPECT_EQ(Tenant::owner(words[500].data()), tenant_);
}

TEST_F(Resources, AlignAsAsked) {
  MemoryResource resource(tenant_);
  for (size_t alignment = 1; alignment <= 4096; alignment *= 2) {
    for (const size_t bytes : {size_t{0}, size_t{1}, alignment, size_t{100000}}) {
      void* const block = resource.allocate(bytes, alignment);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(block) % alignment, 0u);
      EXPECT_EQ(Tenant::owner(block), tenant_);
      resource.deallocate(block, bytes, alignment);
    }
  }
}

TEST_F(Resources, RefuseByBadAlloc) {
  tenant_.set_limit(TENURE_MAX, 8 * kMiB);
  MemoryResource resource(tenant_);
  EXPECT_THROW((void)resource.allocate(16 * kMiB), std::bad_alloc);
  EXPECT_THROW((void)resource.allocate(SIZE_MAX), std::bad_alloc);
  EXPECT_THROW((void)resource.allocate(16 * kMiB, 64), std::bad_alloc);
}

TEST_F(Resources, AreEqualIfTheirTenantsAre) {
  const MemoryResource a(tenant_), b(tenant_), c(child("other"));
  EXPECT_TRUE(a.is_equal(b));
  EXPECT_FALSE(a.is_equal(c));
  EXPECT_FALSE(a.is_equal(*std::pmr::new_delete_resource()));
}

TEST_F(Resources, MovingIntoAnotherTenantMovesTheCharge) {
  MemoryResource here(tenant_), there(child("other"));
  std::pmr::vector<int> source(1000, 7, &here);
  const std::pmr::vector<int> target(std::move(source), &there);
  EXPECT_EQ(Tenant::owner(target.data()), there.tenant());
  EXPECT_EQ(target[999], 7);
}

TEST_F(Resources, DefaultToTheCurrentTenant) {
  const Scope scope(tenant_);
  EXPECT_EQ(MemoryResource().tenant(), tenant_);
}

TEST_F(Resources, OutliveTheirTenant) {
  Tenant gone = child("gone");
  MemoryResource resource(gone);
  std::pmr::string before(1000, 'x', &resource);
  gone.offline();
  const std::pmr::string after(1000, 'x', &resource);
  EXPECT_EQ(Tenant::owner(before.data()), tenant_);
  EXPECT_EQ(Tenant::owner(after.data()), tenant_);
}

template <class T>
using Vector = std::vector<T, Allocator<T>>;

TEST_F(Allocators, ServeAllKindsOfContainers) {
  using String = std::basic_string<char, std::char_traits<char>, Allocator<char>>;
  using Pair = std::pair<const int, String>;
  std::map<int, String, std::less<>, Allocator<Pair>> map{Allocator<Pair>(tenant_)};
  std::list<int, Allocator<int>> list{Allocator<int>(tenant_)};
  Vector<double> vector(tenant_);
  for (int i = 0; i < 100; ++i) {
    map.emplace(i, String(100, 'x', tenant_));
    list.push_back(i);
    vector.push_back(i);
  }
  EXPECT_EQ(Tenant::owner(map.at(5).data()), tenant_);
  EXPECT_EQ(Tenant::owner(vector.data()), tenant_);
  EXPECT_GE(tenant_.stats().allocated, 100 * (100 + sizeof(Pair) + sizeof(int) + sizeof(double)));
  const auto shared = std::allocate_shared<int>(Allocator<int>(tenant_), 3);
  EXPECT_EQ(*shared, 3);
}

TEST_F(Allocators, StayWithTheTenantOfTheirConstruction) {
  Vector<int> vector;
  {
    const Scope scope(tenant_);
    vector = Vector<int>();
  }
  std::thread([&] { vector.resize(1000); }).join();
  EXPECT_EQ(Tenant::owner(vector.data()), tenant_);
}

TEST_F(Allocators, AreEqualIfTheirTenantsAre) {
  const Allocator<int> a(tenant_), b(child("other"));
  EXPECT_EQ(a, Allocator<char>(tenant_));
  EXPECT_NE(a, b);
}

TEST_F(Allocators, GoAlongWhenMovedAndSwapped) {
  const Tenant other = child("other");
  Vector<int> a(1000, 1, tenant_), b(1000, 2, other);
  const int* const data = a.data();
  b = std::move(a);
  EXPECT_EQ(b.data(), data);
  EXPECT_EQ(b.get_allocator().tenant(), tenant_);

  Vector<int> c(10, 3, other);
  c.swap(b);
  EXPECT_EQ(c.data(), data);
  EXPECT_EQ(c.get_allocator().tenant(), tenant_);
  EXPECT_EQ(b.get_allocator().tenant(), other);
}

TEST_F(Allocators, StayWhereCopiesAreAssigned) {
  const Tenant other = child("other");
  const Vector<int> a(1000, 1, tenant_);
  Vector<int> b(other);
  b = a;
  EXPECT_EQ(Tenant::owner(b.data()), other);
  const Vector<int> copy = a;
  EXPECT_EQ(Tenant::owner(copy.data()), tenant_);
}

TEST_F(Allocators, AlignOveralignedTypes) {
  struct alignas(256) Wide {
    char bytes[256];
  };
  const Vector<Wide> vector(10, tenant_);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(vector.data()) % 256, 0u);
}

TEST_F(Allocators, RefuseByBadAlloc) {
  tenant_.set_limit(TENURE_MAX, 8 * kMiB);
  Allocator<uint64_t> allocator(tenant_);
  EXPECT_THROW((void)allocator.allocate(2 * kMiB), std::bad_alloc);
  EXPECT_THROW((void)allocator.allocate(SIZE_MAX / 4), std::bad_alloc);
  Vector<char> vector(kMiB, 'x', tenant_);
  EXPECT_THROW(vector.resize(16 * kMiB), std::bad_alloc);
  EXPECT_EQ(vector.size(), kMiB);
}

}  // namespace
