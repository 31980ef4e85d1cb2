// Typed caches.
#include "tenants.h"

#include <cerrno>
#include <cstdint>
#include <new>
#include <stdexcept>
#include <thread>
#include <vector>

namespace {

using api_test::kMiB;
using tenure::Cache;
using tenure::Scope;
using tenure::Tenant;

class TypedCache : public api_test::WithTenant {};

struct Session {
  explicit Session(int number) : id(number) { ++alive; }
  ~Session() { --alive; }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  int id;
  char name[100] = {};
  static inline int alive = 0;
};

TEST_F(TypedCache, ConstructsAndDestroys) {
  Cache<Session> cache("session");
  Session* const session = cache.create(42);
  EXPECT_EQ(session->id, 42);
  EXPECT_EQ(Session::alive, 1);
  EXPECT_EQ(cache.stats().live, 1u);
  EXPECT_GE(cache.stats().object_size, sizeof(Session));
  cache.destroy(session);
  cache.destroy(nullptr);
  EXPECT_EQ(Session::alive, 0);
  EXPECT_EQ(cache.stats().live, 0u);
  EXPECT_EQ(cache.close(), 0u);
  EXPECT_EQ(cache.get(), nullptr);
}

TEST_F(TypedCache, ChargesTheCurrentOrTheGivenTenant) {
  Cache<Session> cache("session");
  const Tenant other = child("other");
  const Scope scope(tenant_);
  const auto mine = cache.make(1);
  const auto others = cache.make_for(other, 2);
  EXPECT_EQ(Tenant::owner(mine.get()), tenant_);
  EXPECT_EQ(Tenant::owner(others.get()), other);
}

TEST_F(TypedCache, GivesBackWhatAConstructorThrewUpon) {
  struct Unlucky {
    Unlucky() { throw std::runtime_error("no"); }
    char bytes[64];
  };
  Cache<Unlucky> cache("unlucky");
  EXPECT_THROW(cache.create(), std::runtime_error);
  EXPECT_EQ(cache.stats().live, 0u);
}

TEST_F(TypedCache, PointersOutliveAMoveOfTheCache) {
  Cache<Session> first("session");
  auto pointer = first.make(7);
  Cache<Session> second = std::move(first);
  EXPECT_EQ(second.stats().live, 1u);
  pointer.reset();
  EXPECT_EQ(second.stats().live, 0u);
  EXPECT_EQ(Session::alive, 0);
  Cache<Session> third("third");
  third = std::move(second);
  EXPECT_EQ(third.stats().live, 0u);
}

TEST_F(TypedCache, ClosesOnlyWithoutObjects) {
  Cache<Session> cache("session");
  auto pointer = cache.make(1);
  EXPECT_EQ(cache.close(), 1u);
  EXPECT_NE(cache.get(), nullptr);
  pointer.reset();
  EXPECT_EQ(cache.close(), 0u);
}

TEST_F(TypedCache, AlignsObjects) {
  struct alignas(512) Wide {
    char bytes[700];
  };
  Cache<Wide> cache("wide");
  std::vector<typename Cache<Wide>::Pointer> pointers;
  for (int i = 0; i < 50; ++i) {
    pointers.push_back(cache.make());
    EXPECT_EQ(reinterpret_cast<uintptr_t>(pointers.back().get()) % 512, 0u);
  }
}

TEST_F(TypedCache, RefusesByBadAlloc) {
  struct Big {
    char bytes[32768];
  };
  tenant_.set_limit(TENURE_MAX, kMiB);
  tenant_.set_policy(TENURE_FAIL_ALL);
  Cache<Big> cache("big");
  std::vector<typename Cache<Big>::Pointer> pointers;
  pointers.reserve(100);
  EXPECT_THROW(
      {
        for (int i = 0; i < 100; ++i) pointers.push_back(cache.make_for(tenant_));
      },
      std::bad_alloc);
  EXPECT_LE(tenant_.stats().peak, kMiB);
  EXPECT_EQ(cache.stats().live, pointers.size());
}

TEST_F(TypedCache, ShrinksAndIsUsedFromManyThreads) {
  struct Node {
    uint64_t value;
    char rest[200];
  };
  Cache<Node> cache("node");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const Scope scope(tenant_);
      for (int round = 0; round < 20; ++round) {
        std::vector<typename Cache<Node>::Pointer> pointers;
        for (uint64_t i = 0; i < 200; ++i) {
          pointers.push_back(cache.make(Node{i + static_cast<uint64_t>(t), {}}));
        }
        for (uint64_t i = 0; i < 200; ++i) {
          ASSERT_EQ(pointers[i]->value, i + static_cast<uint64_t>(t));
        }
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(cache.stats().live, 0u);
  cache.shrink();
  EXPECT_EQ(cache.stats().slabs, 0u);
  EXPECT_EQ(cache.stats().cached, 0u);
}

}  // namespace
