#include "tests/allocator/fronts/stock_support.h"

namespace tenure {
namespace {

// Takers and givers on all CPUs, drainers of each kind, and an offline before they end. Frees after it find no open word.
TEST_F(StockTest, StressOfTakersDrainersAndOffline) {
  constexpr int kRounds = 20, kWorkers = 3;
  constexpr size_t kSizes[] = {16, 200, 1000, 8000};
  for (int round = 0; round < kRounds; ++round) {
    Tenant& tenant = make(root_tenant, "t" + std::to_string(round));
    AccountingContext& context = context_of_tenant(tenant);
    ASSERT_TRUE(context.pin());
    std::atomic<int> turns{0}, working{kWorkers};
    std::atomic<uint64_t> wrong{0};
    run_threads(kWorkers + 3, [&](int id) {
      Random random{static_cast<uint64_t>(round * 10 + id) + 1};
      if (id < kWorkers) {
        std::vector<void*> held;
        for (int i = 0; i < 4000; ++i) {
          if (i % 64 == 0) move_to_cpu(random.next());
          turns.fetch_add(1, std::memory_order_relaxed);
          if (held.size() < 50 && random.below(2) == 0) {
            void* const object = take(tenant, kSizes[random.below(4)]);
            if (object == nullptr) ++wrong;
            if (object) held.push_back(object);
          } else if (!held.empty()) {
            deallocate(held.back());
            held.pop_back();
          }
        }
        for (void* object : held) deallocate(object);
        --working;
      } else if (id == kWorkers) {
        while (working != 0) empty_stocks(root_tenant);
      } else if (id == kWorkers + 1) {
        while (working != 0) age_stocks();
      } else {
        while (turns.load(std::memory_order_relaxed) < kWorkers * 2000) std::this_thread::yield();
        if (offline_tenant(tenant, 0) != 0) ++wrong;
      }
    });
    EXPECT_EQ(wrong, 0u);
    EXPECT_EQ(stocked_by(context), 0u);
    EXPECT_TRUE(all_closed(tag_of(context)));
    EXPECT_EQ(context.held(), 0u);
    grace::ReadSection section;
    context.unpin();
  }
  settle();
  EXPECT_EQ(stocked_bytes(), 0u);
}

}  // namespace
}  // namespace tenure
