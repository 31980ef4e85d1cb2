// Charges in advance: the bytes of a tenant's next objects are taken from its counters some KiB at a time and wait on the CPU, and the bytes of
// its freed objects come back there first. So an object is paid for by one restartable sequence: no atomic instruction, no read
// section, no look at the tenant's counters. Source of the idea: obj_stock in the kernel's mm/memcontrol.c.
//
// Each CPU has a word (base/words/stock_word.h) for each context, at the context's number, so no two tenants compete for one. Bytes in a
// word are held by the context, which they keep alive.
//
// A word opens at its first slow step on a CPU and closes when somebody takes its bytes. How much it may hold follows from the room below
// the limits (stock_capacity): at most kLargestStock, or kSmallestStock and two objects, for each CPU and tenant.
//
// Whoever is refused takes the subtree's stocks back and tries again, an offline takes its tenant's, the look at the decay takes all, and
// statistics leave them out. Taking another CPU's word is as in allocator/fronts/drain.h: the word is replaced by a stopped one; a fence; where
// the stopped word still stands, the bytes are the taker's. Frees find the closed word of a departed tenant's context, and uncharge
// directly: only who sees the tenant online opens a word.
#pragma once

#include <atomic>
#include <cstdint>

#include "accounting/tenants/tenant.h"
#include "allocator/fronts/front.h"
#include "allocator/hooks.h"
#include "allocator/slabs/owner_tag.h"
#include "base/words/stock_word.h"

namespace tenure {

constexpr uint32_t kStockOffset = kFrontAreaSize;
constexpr uint32_t kStockWords = (kCpuAreaSize - kFrontAreaSize) / sizeof(StockWord);
// At most: for all tenants, and for those that have four times as much.
constexpr size_t kUsualStock = 64 * 1024;
constexpr size_t kLargestStock = 256 * 1024;
constexpr size_t kSmallestStock = 4 * 1024;
// Objects up to this size are paid for from stocks.
constexpr size_t kLargestStocked = 128 * 1024;

// Contexts with a number beyond the words share the first word, which is never opened: they are charged for each object.
inline uint64_t stock_offset(OwnerTag tag) {
  return kStockOffset + (TENURE_LIKELY(tag < kStockWords) ? tag : 0) * sizeof(StockWord);
}
inline std::atomic<uint32_t>& stock_in(uint32_t area, OwnerTag tag) {
  return *reinterpret_cast<std::atomic<uint32_t>*>(hot.cpu_base + (size_t{area} << kCpuShift) +
                                                   stock_offset(tag));
}

// The stock of one context where this thread runs. Lock-free, async-signal-safe.
class Stock {
public:
  explicit Stock(OwnerTag tag)
      : slot_(hot.cpu_base + stock_offset(tag)), by_rseq_(by_sequences()) {}

  bool take(uint32_t units) const {
    const auto half = static_cast<uint16_t>(units);
    return by_rseq_ ? rseq_take(slot_, hot.rseq, half) : fallback_take(shared_word(), units);
  }
  bool give(uint32_t units) const {
    return by_rseq_ ? rseq_give(slot_, hot.rseq, units) : fallback_give(shared_word(), units);
  }
  // A snapshot: the thread may be on another CPU by the time it is used.
  StockWord load() const {
    return {reinterpret_cast<std::atomic<uint32_t>*>(slot_ + (size_t{own_area()} << kCpuShift))
                ->load(std::memory_order_acquire)};
  }
  bool replace(StockWord expected, StockWord desired) const {
    if (by_rseq_)
      return rseq_compare_exchange_half(slot_, hot.rseq, expected.word, desired.word) ==
             expected.word;
    return shared_word().compare_exchange_strong(
        expected.word, desired.word, std::memory_order_acq_rel, std::memory_order_relaxed);
  }

private:
  std::atomic<uint32_t>& shared_word() const {
    const size_t area = arena.cpus + shared_area();
    return *reinterpret_cast<std::atomic<uint32_t>*>(slot_ + (area << kCpuShift));
  }

  char* const slot_;  // In the area of CPU 0.
  const bool by_rseq_;
};

// Takes an object's bytes from the context's stock. False: pay by charge_with_stock(). The caller makes sure afterwards that the context
// is its tenant's still: its number may have gone to another (allocator/heap/pool_path.h).
inline bool take_from_stock(OwnerTag tag, size_t bytes) {
  return Stock(tag).take(StockWord::units(bytes));
}
// The same for the tenant, which is pinned. The context that has paid, or nullptr.
AccountingContext* pay_from_stock(const Tenant& tenant, size_t bytes);
// Gives back bytes that an object of the context has cost. False: uncharge_to_stock() does.
inline bool give_to_stock(OwnerTag tag, size_t bytes) {
  return Stock(tag).give(StockWord::units(bytes));
}

// Charges bytes to the tenant, which is pinned, and puts up a stock where there is room below every limit. The context that paid,
// or nullptr: refused.
AccountingContext* charge_with_stock(Tenant& tenant, size_t bytes, RequestKind kind);
// The same through a context that the caller keeps, without reclaim. False: refused.
bool charge_more_with_stock(AccountingContext& context, size_t bytes);
// With reclaim, after stocks have made room, for a small request.
bool charge_more_with_room(AccountingContext& context, size_t bytes);
// Gives bytes back to the stock, which opens where the tenant is online, and what is too much there to the counters.
void uncharge_to_stock(OwnerTag tag, size_t bytes);

// Puts up bytes that were charged through the context for the tenant, which is pinned; gives them back at once if the tenant has gone. The
// caller has something else charged through the context, which keeps it.
void put_up_stock(const Tenant& tenant, AccountingContext& context, size_t bytes, size_t capacity);

// The most that a stock may hold, have and room together, for objects of this size: 0 where nothing can be charged in advance.
size_t stock_capacity(const Tenant& tenant, size_t bytes);

// Before a charge to the tenant, which is pinned: where it would go above max or high, stocks make room first, so that neither is met

// Gives back the stocks of the subtree and closes them: what is freed next is uncharged at once, which in reclaim is what counts. Returns
// the bytes.
size_t empty_stocks(Tenant& top);
// Closes those of one context, which the caller keeps.
size_t close_stocks_of(const AccountingContext& context);
// Gives back what lies in stocks of all tenants, some at each call: they open again at the next slow step.
void age_stocks();

// In a fork child, after the tenants: opens what a vanished drainer had stopped, and gives back what a vanished thread had put up for a tenant that
// was going.
void repair_stocks_after_fork();

// Bytes in stocks of the subtree, and of one context. Exact at rest.
uint64_t stocked_below(Tenant& top);
uint64_t stocked_by(const AccountingContext& context);
// Bytes of all stocks. Quiescent.
uint64_t stocked_bytes();

}  // namespace tenure
