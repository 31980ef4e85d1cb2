#include <atomic>
#include <random>
#include <string>
#include <thread>

#include "tests/accounting/tree_fixture.h"

namespace tenure {
namespace {

using ReparentTest = TreeTest;

TEST(HoldWord, Transitions) {
  const HoldWord both{3 * HoldWord::kOnePin + 500};
  EXPECT_EQ(both.held(), 500u);
  EXPECT_EQ(both.pins(), 3u);
  EXPECT_FALSE(both.dead());
  EXPECT_TRUE(HoldWord{}.dead());
}

TEST_F(ReparentTest, DeadContextsStayDead) {
  Tenant& a = make(root_tenant, "a");
  grace::ReadSection section;
  AccountingContext* context = a.context.load();
  EXPECT_TRUE(context->pin());
  offline_tenant(a, 0);
  EXPECT_TRUE(context->hold(5));
  context->unpin();
  EXPECT_EQ(context->held(), 5u);
  context->drop(5);
  EXPECT_TRUE(context->hold_word().dead());
  EXPECT_FALSE(context->hold(1));
  EXPECT_FALSE(context->pin());
}

TEST_F(ReparentTest, LiveChargesMoveToTheParentAndComeBackFromThere) {
  Tenant& a = make(root_tenant, "a");
  Tenant& b = make(a, "b");
  AccountingContext* own = charge(a, 100, RequestKind::kSmall);
  AccountingContext* context = charge(b, 1000, RequestKind::kSmall);
  EXPECT_EQ(a.counter.usage(), 1100u);
  EXPECT_EQ(offline_tenant(b, 0), 0);
  EXPECT_EQ(a.counter.usage(), 1100u);
  EXPECT_EQ(a.counter.peak(), 1100u);
  {
    grace::ReadSection section;
    EXPECT_EQ(context->tenant(), &a);
  }
  int dead = 0;
  for_each_dead_context([&](const DeadContext& left) {
    ++dead;
    EXPECT_STREQ(left.origin_name, "b");
    EXPECT_EQ(left.payer, &a);
    EXPECT_EQ(left.bytes, 1000u);
  });
  EXPECT_EQ(dead, 1);
  EXPECT_TRUE(validate_tenants());
  // Growth is checked against, and charged to, who pays now.
  EXPECT_TRUE(charge_more(*context, 50, RequestKind::kSmall));
  EXPECT_EQ(a.counter.usage(), 1150u);
  uncharge(*context, 1050);
  EXPECT_EQ(a.counter.usage(), 100u);
  uncharge(*own, 100);
}

TEST_F(ReparentTest, EarlierReparentedContextsMoveOn) {
  Tenant* at = &root_tenant;
  std::vector<AccountingContext*> contexts;
  std::vector<Tenant*> chain;
  for (int i = 0; i < 10; ++i) {
    at = &make(*at, "level");
    chain.push_back(at);
    contexts.push_back(charge(*at, 10, RequestKind::kSmall));
  }
  for (size_t i = chain.size(); i-- > 0;) {
    EXPECT_EQ(offline_tenant(*chain[i], 0), 0);
    EXPECT_TRUE(validate_tenants());
    EXPECT_EQ(root_tenant.counter.usage(), 100u);
  }
  for (AccountingContext* context : contexts) uncharge(*context, 10);
  EXPECT_EQ(root_tenant.counter.usage(), 0u);
}

// The kernel's test_kmem: the parent's usage is the sum of its children's, also after some are
// gone.
TEST_F(ReparentTest, ParentsUsageIsItsChildrensAfterDeletionOfSome) {
  Tenant& parent = make(root_tenant, "parent");
  std::vector<Tenant*> children;
  std::vector<AccountingContext*> contexts;
  for (int i = 0; i < 1000; ++i) {
    children.push_back(&make(parent, std::to_string(i).c_str()));
    contexts.push_back(charge(*children.back(), 64, RequestKind::kSmall));
  }
  EXPECT_EQ(parent.counter.usage(), 64000u);
  for (int i = 0; i < 1000; i += 3)
    EXPECT_EQ(offline_tenant(*children[static_cast<size_t>(i)], 0), 0);
  EXPECT_TRUE(validate_tenants());
  EXPECT_EQ(parent.counter.usage(), 64000u);
  for (AccountingContext* context : contexts) uncharge(*context, 64);
  EXPECT_EQ(parent.counter.usage(), 0u);
  reap_tenants();
  EXPECT_TRUE(validate_tenants());
}

TEST_F(ReparentTest, ThirtyDeadTenantsLeaveNothingOnceFreed) {
  std::vector<AccountingContext*> contexts;
  for (int i = 0; i < 30; ++i) {
    Tenant& tenant = make(root_tenant, std::to_string(i).c_str());
    contexts.push_back(charge(tenant, 4096, RequestKind::kLarge));
    EXPECT_EQ(offline_tenant(tenant, 0), 0);
  }
  int dead = 0;
  for_each_dead_context([&dead](const DeadContext&) { ++dead; });
  EXPECT_EQ(dead, 30);
  for (AccountingContext* context : contexts) uncharge(*context, 4096);
  flush_tenants();
  dead = 0;
  for_each_dead_context([&dead](const DeadContext&) { ++dead; });
  EXPECT_EQ(dead, 0);
}

// Offline while other threads charge, uncharge and walk: up to 10,000 rounds, tenants are created and
// destroyed under their feet, and memory is freed by threads other than those that charged it.
TEST_F(ReparentTest, StressOfflineWhileChargedAndFreed) {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
  constexpr int kRounds = 2000;
#else
  constexpr int kRounds = 10000;
#endif
  struct Piece {
    AccountingContext* context;
    uint64_t bytes;
  };
  static std::atomic<Tenant*> current{nullptr};
  // Slots through which charged memory changes hands.
  static std::atomic<Piece*> exchange[16];
  Tenant& parent = make(root_tenant, "parent");
  parent.set_max(1 << 20);
  parent.set_policy(Policy::kFailAll);
  std::atomic<bool> stop{false};
  std::atomic<long> bad{0}, charged{0};
  std::vector<std::thread> threads;
  auto free_piece = [](Piece* piece) {
    if (piece == nullptr) return;
    uncharge(*piece->context, piece->bytes);
    delete piece;
  };
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(static_cast<unsigned>(t));
      while (!stop) {
        Tenant* tenant = nullptr;
        {
          grace::ReadSection section;
          tenant = current.load(std::memory_order_acquire);
          if (tenant && !tenant->pin()) tenant = nullptr;
        }
        if (tenant == nullptr) {
          std::this_thread::yield();
          continue;
        }
        for (int i = 0; i < 8; ++i) {
          const uint64_t bytes = 1 + random() % 3000;
          if (AccountingContext* context = charge(*tenant, bytes, RequestKind::kSmall)) {
            charged.fetch_add(1, std::memory_order_relaxed);
            free_piece(exchange[random() % 16].exchange(new Piece{context, bytes},
                                                        std::memory_order_acq_rel));
          }
          if (parent.counter.usage() > 1 << 20) bad.fetch_add(1);
        }
        tenant->unpin();
      }
    });
  }
  // Fewer on a busy machine: each round waits for a grace period, that is for the other threads.
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  for (int round = 0; round < kRounds; ++round) {
    if (charged > 0 && std::chrono::steady_clock::now() > end) break;
    Tenant* tenant = nullptr;
    ASSERT_EQ(create_tenant(parent, "child", &tenant), 0);
    current.store(tenant, std::memory_order_release);
    if (round % 3 == 0) std::this_thread::yield();
    Tenant* grandchild = nullptr;
    ASSERT_EQ(create_tenant(*tenant, "grandchild", &grandchild), 0);
    current.store(grandchild, std::memory_order_release);
    if (round % 5 == 0) std::this_thread::yield();
    current.store(round % 2 ? tenant : nullptr, std::memory_order_release);
    ASSERT_EQ(offline_tenant(*tenant, kOfflineRecursive), 0);
    current.store(nullptr, std::memory_order_release);
    grace::synchronize();  // Threads that saw the pointer have pinned it.
    tenant->unpin();
    grandchild->unpin();
  }
  stop = true;
  for (auto& thread : threads) thread.join();
  for (auto& slot : exchange) free_piece(slot.exchange(nullptr));
  EXPECT_EQ(bad.load(), 0);
  EXPECT_GT(charged.load(), 0);
  EXPECT_EQ(parent.counter.usage(), 0u);
  EXPECT_LE(parent.counter.peak(), 1u << 20);
}

}  // namespace
}  // namespace tenure
