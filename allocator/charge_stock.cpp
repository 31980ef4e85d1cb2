#include "allocator/charge_stock.h"

#include "accounting/charge.h"
#include "base/fence.h"

namespace tenure {
namespace {

static_assert(kStockOffset + kStockWords * 8 <= kCpuAreaSize);

// Calls f(word) for each of all CPUs' stocks.
template <typename F>
void for_each_stock(F f) {
  for (uint32_t area = 0; area < arena.cpus + arena.shared_areas; ++area) {
    for (uint32_t i = 0; i < kStockWords; ++i) f(word_in_area(area, kStockOffset + i * 8));
  }
}

bool is_below(const Tenant* tenant, const Tenant& top) {
  while (tenant != nullptr && tenant != &top) tenant = tenant->parent();
  return tenant != nullptr;
}

// Whose the stock is. In a read section, in which the word was read with bytes in it: these kept the context at that instant.
bool is_of_subtree(StockWord stock, const Tenant& top) {
  return stock.bytes() != 0 && is_below(context_of(stock.tag()).tenant(), top);
}

// The lowest level that the bytes would take above max or high; nullptr: none.
const Tenant* level_in_the_way(const Tenant& tenant, uint64_t bytes) {
  for (const Tenant* at = &tenant; at != nullptr; at = at->parent()) {
    const uint64_t limit =
        at->counter.high() < at->counter.max() ? at->counter.high() : at->counter.max();
    const uint64_t usage = at->counter.usage();
    if (usage > limit || bytes > limit - usage) return at;
  }
  return nullptr;
}

}  // namespace

void put_up_stock(const Tenant& tenant, const AccountingContext& context, uint32_t bytes) {
  const OwnerTag tag = tag_of(context);
  std::atomic<uint64_t>& stock = stock_in(own_area(), tag);
  StockWord before{stock.load(std::memory_order_relaxed)};
  uint64_t kept;
  do {
    kept = before.tag() == tag ? before.bytes() : 0;
    // Others that share the word may have filled it meanwhile.
    if (kept + bytes > kLargestStock) return uncharge(context_of(tag), bytes);
  } while (!stock.compare_exchange_weak(before.word, StockWord::of(tag, kept + bytes).word,
                                        std::memory_order_acq_rel, std::memory_order_relaxed));
  if (before.tag() != tag && before.bytes() != 0)
    uncharge(context_of(before.tag()), before.bytes());
  // As with caches that are published late: either offline, which marks the tenant before it looks for stocks, finds this one, or
  // this thread sees that the tenant has gone. (An ancestor's context may have paid.)
  full_fence();
  if (TENURE_UNLIKELY(tenant.context.load(std::memory_order_acquire) != &context ||
                      !tenant.online()))
    empty_stocks_of(context);
}

bool make_room_of_stocks(const Tenant& tenant, uint64_t bytes) {
  while (const Tenant* level = level_in_the_way(tenant, bytes)) {
    if (empty_stocks(*level) == 0) return false;
  }
  return true;
}

AccountingContext* charge_pooled(Tenant& asked, uint32_t bytes) {
  Tenant& tenant = asked.nearest_online();
  if (bytes <= kStockBatch / 2 && level_in_the_way(tenant, bytes + kStockBatch) == nullptr) {
    AccountingContext* const context = charge_if_it_fits(tenant, bytes + kStockBatch);
    if (context != nullptr) {
      put_up_stock(tenant, *context, kStockBatch);
      return context;
    }
  }
  make_room_of_stocks(tenant, bytes);
  return charge(tenant, bytes, RequestKind::kSmall);
}

void uncharge_pooled(OwnerTag tag, uint32_t bytes) {
  std::atomic<uint64_t>& stock = stock_in(own_area(), tag);
  StockWord seen{stock.load(std::memory_order_relaxed)};
  uint64_t surplus = bytes;
  if (seen.tag() == tag && seen.bytes() > kStockBatch) {
    const uint64_t before = seen.bytes();
    if (stock.compare_exchange_strong(seen.word, StockWord::of(tag, kStockBatch).word,
                                      std::memory_order_acq_rel, std::memory_order_relaxed))
      surplus += before - kStockBatch;
  }
  uncharge(context_of(tag), surplus);
}

size_t empty_stocks(const Tenant& top) {
  size_t freed = 0;
  if (top.children.load(std::memory_order_relaxed) == 0) {
    // Only tenants that are online have stocks.
    grace::ReadSection section;
    const AccountingContext* const own = top.context.load(std::memory_order_acquire);
    return own ? empty_stocks_of(*own) : 0;
  }
  for_each_stock([&](std::atomic<uint64_t>& stock) {
    if (static_cast<uint32_t>(stock.load(std::memory_order_relaxed)) == 0) return;
    grace::ReadSection section;
    StockWord seen{stock.load(std::memory_order_acquire)};
    if (!is_of_subtree(seen, top) ||
        !stock.compare_exchange_strong(seen.word, 0, std::memory_order_acq_rel))
      return;
    uncharge(context_of(seen.tag()), seen.bytes());
    freed += seen.bytes();
  });
  return freed;
}

size_t empty_stocks_of(const AccountingContext& context) {
  const OwnerTag tag = tag_of(context);
  size_t freed = 0;
  for (uint32_t area = 0; area < arena.cpus + arena.shared_areas; ++area) {
    std::atomic<uint64_t>& stock = stock_in(area, tag);
    StockWord seen{stock.load(std::memory_order_acquire)};
    while (seen.tag() == tag &&
           !stock.compare_exchange_weak(seen.word, 0, std::memory_order_acq_rel)) {
    }
    if (seen.tag() != tag || seen.bytes() == 0) continue;
    uncharge(context_of(tag), seen.bytes());
    freed += seen.bytes();
  }
  return freed;
}

void repair_stocks_after_fork() {
  // Without tenants there are none, and the pages need not be touched.
  if (root_tenant.context.load(std::memory_order_relaxed) == nullptr) return;
  for_each_stock([](std::atomic<uint64_t>& stock) {
    const StockWord found{stock.exchange(0, std::memory_order_acq_rel)};
    if (found.bytes() != 0) uncharge(context_of(found.tag()), found.bytes());
  });
}

uint64_t stocked_below(const Tenant& top) {
  uint64_t bytes = 0;
  grace::ReadSection section;
  for_each_stock([&](const std::atomic<uint64_t>& stock) {
    const StockWord seen{stock.load(std::memory_order_acquire)};
    if (is_of_subtree(seen, top)) bytes += seen.bytes();
  });
  return bytes;
}

uint64_t stocked_by(const AccountingContext& context) {
  const OwnerTag tag = tag_of(context);
  uint64_t bytes = 0;
  for (uint32_t area = 0; area < arena.cpus + arena.shared_areas; ++area) {
    const StockWord seen{stock_in(area, tag).load(std::memory_order_acquire)};
    if (seen.tag() == tag) bytes += seen.bytes();
  }
  return bytes;
}

}  // namespace tenure
