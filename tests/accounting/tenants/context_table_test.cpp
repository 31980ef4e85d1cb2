#include "accounting/tenants/context_table.h"

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include "base/memory/os_memory.h"
#include "tests/accounting/tree_fixture.h"

namespace tenure {
namespace {

using ContextTableTest = TreeTest;

std::vector<AccountingContext*> take(size_t count) {
  std::vector<AccountingContext*> taken(count);
  for (AccountingContext*& context : taken) context = context_table.allocate();
  return taken;
}
void give_back(const std::vector<AccountingContext*>& taken) {
  for (AccountingContext* context : taken) context_table.release(context);
}

TEST_F(ContextTableTest, NumbersNameContexts) {
  const auto taken = take(100);
  std::set<uint32_t> numbers;
  for (AccountingContext* context : taken) {
    ASSERT_NE(context, nullptr);
    const uint32_t number = context_table.number_of(*context);
    EXPECT_NE(number, 0u);
    EXPECT_LT(number, context_table.end());
    EXPECT_EQ(&context_table.at(number), context);
    EXPECT_TRUE(numbers.insert(number).second) << number;
    EXPECT_TRUE(context->hold_word().dead());
  }
  give_back(taken);
}

// Stocks are indexed by the number, so numbers follow those that are alive at once, not those that ever were.
TEST_F(ContextTableTest, NumbersStaySmallWhileFewAreAlive) {
  give_back(take(8));
  const uint32_t end = context_table.end();
  const size_t before = context_table.in_use();
  for (int round = 0; round < 10000; ++round) {
    const auto taken = take(8);
    EXPECT_EQ(context_table.in_use(), before + 8 * sizeof(AccountingContext));
    give_back(taken);
  }
  EXPECT_EQ(context_table.end(), end);
  EXPECT_EQ(context_table.in_use(), before);
}

// The same for the contexts of tenants, which wait for a grace period.
TEST_F(ContextTableTest, TenantsThatComeAndGoReuseNumbers) {
  const auto one = [] {
    Tenant* tenant = nullptr;
    ASSERT_EQ(create_tenant(root_tenant, "one", &tenant), 0);
    ASSERT_EQ(offline_tenant(*tenant, 0), 0);
    tenant->unpin();
    flush_tenants();
  };
  one();
  const uint32_t end = context_table.end();
  for (int i = 0; i < 1000; ++i) one();
  EXPECT_EQ(context_table.end(), end);
}

// A charge that is left keeps the number: nobody else gets it.
TEST_F(ContextTableTest, NumberIsKeptWhileSomethingIsHeld) {
  Tenant& tenant = make(root_tenant, "a");
  AccountingContext* const context = charge(tenant, 4096, RequestKind::kSmall);
  ASSERT_NE(context, nullptr);
  EXPECT_EQ(offline_tenant(tenant, 0), 0);
  flush_tenants();
  const auto others = take(200);
  EXPECT_EQ(std::count(others.begin(), others.end(), context), 0);
  give_back(others);
  EXPECT_EQ(context->held(), 4096u);
  uncharge(*context, 4096);
}

// A context of a reused number has nothing of the one before.
TEST_F(ContextTableTest, ReusedContextIsFresh) {
  AccountingContext* const first = AccountingContext::create(&root_tenant);
  ASSERT_NE(first, nullptr);
  ASSERT_TRUE(first->hold(100));
  context_table.release(first);
  AccountingContext* const second = context_table.allocate();
  EXPECT_EQ(second, first);
  EXPECT_TRUE(second->hold_word().dead());
  EXPECT_EQ(second->next(), nullptr);
  EXPECT_EQ(second->origin_name()[0], '\0');
  context_table.release(second);
}

TEST_F(ContextTableTest, ThreadsGetDifferentContexts) {
  constexpr int kThreads = 4;
  std::vector<std::atomic<int>> users(context_table.end() + kThreads);
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int id = 0; id < kThreads; ++id) {
    threads.emplace_back([&] {
      for (int round = 0; round < 20000; ++round) {
        AccountingContext* const context = context_table.allocate();
        const uint32_t number = context ? context_table.number_of(*context) : 0;
        if (number == 0 || number >= users.size() || users[number].fetch_add(1) != 0) {
          ++wrong;
          return;
        }
        users[number].fetch_sub(1);
        context_table.release(context);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0) << "one number in two hands, or numbers above those in use at once";
}

// A table that is full refuses, again and again, and claims no number by that.
TEST_F(ContextTableTest, RefusesWhereItIsFull) {
  constexpr size_t kBytes = 64 * kKiB;
  void* const range = os::reserve(kBytes, kPageSize);
  ASSERT_NE(range, nullptr);
  static constinit ContextTable small;
  small.adopt(range, kBytes);
  constexpr size_t kFit = kBytes / sizeof(AccountingContext) - 1;  // Number 0 names none.
  for (size_t i = 0; i < kFit; ++i) ASSERT_NE(small.allocate(), nullptr) << i;
  for (int i = 0; i < 3; ++i) EXPECT_EQ(small.allocate(), nullptr);
  EXPECT_EQ(small.end(), kFit + 1);
  EXPECT_EQ(small.in_use(), kFit * sizeof(AccountingContext));
  os::release(range, kBytes);
}

}  // namespace
}  // namespace tenure
