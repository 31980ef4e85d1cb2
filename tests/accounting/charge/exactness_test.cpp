// Threads x tenants x random operations x limits x create and offline: nothing ever above a limit,
// all zero in the end.
#include <atomic>
#include <random>
#include <string>
#include <thread>

#include "tests/accounting/tree_fixture.h"

namespace tenure {
namespace {

using ExactnessTest = TreeTest;

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int kOperations = 6000;
#else
constexpr int kOperations = 60000;
#endif
constexpr int kThreads = 6;  // More than the machine's CPUs.

constexpr uint64_t kReserve = 1000;

// Largest value that tenant's usage may ever have: the limits set before the start, and its
// policy's reserve.
uint64_t ceiling(const Tenant& tenant) {
  const uint64_t max = tenant.counter.max();
  if (max == kUnlimited)
    return kUnlimited;  // The root, or a tenant whose limit is still to be set.
  return max + (tenant.policy() == Policy::kFailLarge ? kReserve : 0);
}

TEST_F(ExactnessTest, Stress) {
  Tenant& top = make(root_tenant, "top");
  top.set_max(60000);
  top.set_reserve(kReserve);
  std::vector<Tenant*> teams;
  for (int i = 0; i < 3; ++i) {
    teams.push_back(&make(top, ("team" + std::to_string(i)).c_str()));
    teams.back()->set_max(25000);
    teams.back()->set_reserve(kReserve);
    if (i == 1) teams.back()->set_policy(Policy::kFailAll);
  }
  std::atomic<bool> stop{false};
  std::atomic<long> above{0}, refused{0}, moved{0}, looks{0};
  std::thread watcher([&] {
    do {
      for_each_in_subtree(root_tenant, [&](Tenant& tenant) {
        const uint64_t limit = ceiling(tenant);
        if (tenant.counter.usage() > limit || tenant.counter.peak() > limit) above.fetch_add(1);
        looks.fetch_add(1, std::memory_order_relaxed);
        return true;
      });
      reap_tenants();
    } while (!stop);
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(static_cast<unsigned>(t) + 1);
      struct Piece {
        AccountingContext* context;
        uint64_t bytes;
      };
      std::vector<Piece> pieces;
      Tenant* own = nullptr;
      for (int i = 0; i < kOperations; ++i) {
        const uint32_t dice = random() % 100;
        if (dice < 45) {
          Tenant& payer = own ? *own : *teams[random() % teams.size()];
          const uint64_t bytes = 1 + random() % 2000;
          const RequestKind kind = random() % 4 ? RequestKind::kSmall : RequestKind::kLarge;
          if (AccountingContext* context = charge(payer, bytes, kind)) {
            pieces.push_back({context, bytes});
          } else {
            refused.fetch_add(1, std::memory_order_relaxed);
          }
        } else if (dice < 50 && !pieces.empty()) {
          Piece& piece = pieces[random() % pieces.size()];
          if (charge_more(*piece.context, 10, RequestKind::kSmall)) piece.bytes += 10;
        } else if (dice < 65 && !pieces.empty()) {
          // To another tenant, while either may be going offline.
          Piece& piece = pieces[random() % pieces.size()];
          Tenant& payer = own && random() % 2 ? *own : *teams[random() % teams.size()];
          if (AccountingContext* context =
                  charge(payer, piece.bytes, RequestKind::kLarge, piece.context)) {
            piece.context = context;
            moved.fetch_add(1, std::memory_order_relaxed);
          }
        } else if (dice < 95 && !pieces.empty()) {
          const size_t at = random() % pieces.size();
          uncharge(*pieces[at].context, pieces[at].bytes);
          pieces[at] = pieces.back();
          pieces.pop_back();
        } else if (own == nullptr) {
          const std::string name = "t" + std::to_string(t);
          if (create_tenant(*teams[random() % teams.size()], name.c_str(), &own) != 0) {
            own = nullptr;
            continue;
          }
          own->set_max(3000 + random() % 9000);
          own->set_reserve(kReserve);
        } else if (random() % 4 == 0) {
          // Some threads go on inside for a while.
          offline_tenant(*own, 0);
          if (AccountingContext* context = charge(*own, 7, RequestKind::kSmall))
            pieces.push_back({context, 7});
          own->unpin();
          own = nullptr;
        }
      }
      if (own) {
        offline_tenant(*own, 0);
        own->unpin();
      }
      for (const Piece& piece : pieces) uncharge(*piece.context, piece.bytes);
    });
  }
  for (auto& thread : threads) thread.join();
  stop = true;
  watcher.join();
  EXPECT_EQ(above.load(), 0);
  EXPECT_GT(refused.load(), 0);
  EXPECT_GT(moved.load(), 0);
  EXPECT_GT(looks.load(), 0);
  EXPECT_EQ(top.counter.usage(), 0u);
  for (Tenant* team : teams) EXPECT_EQ(team->counter.usage(), 0u);
  EXPECT_TRUE(validate_tenants());
}

// The parent is full of charges that wander between its children, and these come and go.
TEST_F(ExactnessTest, ChargesMoveWhileTheirTenantsGo) {
  constexpr int kMovers = 3, kSlots = 3;
  constexpr uint64_t kBytes = 1000;
  Tenant& parent = make(root_tenant, "parent");
  parent.set_policy(Policy::kFailAll);
  parent.set_max(kMovers * kBytes);
  const auto make_child = [&parent](int number) {
    Tenant* child = nullptr;
    EXPECT_EQ(create_tenant(parent, std::to_string(number).c_str(), &child), 0);
    return child;
  };
  std::atomic<Tenant*> slots[kSlots];
  int number = 0;
  for (auto& slot : slots) slot = make_child(number++);
  std::atomic<int> busy{kMovers};
  std::atomic<long> refused{0}, seen{0};
  AccountingContext* contexts[kMovers];
  for (auto& context : contexts) context = charge(*slots[0].load(), kBytes, RequestKind::kLarge);
  std::vector<std::thread> movers;
  for (int t = 0; t < kMovers; ++t) {
    movers.emplace_back([&, t] {
      std::mt19937 random(static_cast<unsigned>(t) + 1);
      for (int i = 0; i < kOperations; ++i) {
        Tenant* to;
        {
          grace::ReadSection section;  // The tree's pin ends a grace period after the slot's.
          to = slots[random() % kSlots].load();
          to->pin();
        }
        if (AccountingContext* moved = charge(*to, kBytes, RequestKind::kLarge, contexts[t])) {
          contexts[t] = moved;
        } else {
          ++refused;
        }
        if (parent.counter.usage() != kMovers * kBytes) ++seen;
        to->unpin();
      }
      --busy;
    });
  }
  while (busy != 0) {
    Tenant* const old = slots[number % kSlots].exchange(make_child(number));
    ++number;
    EXPECT_EQ(offline_tenant(*old, 0), 0);
    old->unpin();
    std::this_thread::yield();
  }
  for (auto& mover : movers) mover.join();
  EXPECT_EQ(refused.load(), 0) << "the parent has them already";
  EXPECT_EQ(seen.load(), 0) << "nothing comes to it and nothing goes";
  for (AccountingContext* context : contexts) uncharge(*context, kBytes);
  EXPECT_EQ(parent.counter.usage(), 0u);
  EXPECT_EQ(parent.counter.peak(), kMovers * kBytes);
  for (auto& slot : slots) {
    EXPECT_EQ(slot.load()->counter.usage(), 0u);
    EXPECT_EQ(offline_tenant(*slot, 0), 0);
    slot.load()->unpin();
  }
}

}  // namespace
}  // namespace tenure
