// Charges in advance: what the next pooled objects of a tenant will cost is taken from its counters a page at a time and kept on
// the CPU, and what its objects cost comes back there first. Source of the idea: obj_stock in the kernel's mm/memcontrol.c.
//
// A word is `tag << 32 | bytes`: bytes charged through the context that the tag names, which they keep alive, and
// not yet any object's. Each change is one compare-and-swap of a word that is nearly always in this CPU's cache, so anyone may take
// any CPU's word at any time, and a fork child finds each whole. Restartable sequences would save some 4 ns of 25, and need a
// fence to get at other CPUs' words.
//
// The counters of a tenant are above what its objects cost by the stocks. So whoever is refused empties them and tries again
// (purge), statistics leave them out, and a tenant that goes takes them along: only tenants' own allocations put words up,
// frees merely add to them.
#pragma once

#include <atomic>
#include <cstdint>

#include "allocator/front.h"
#include "allocator/pool.h"

namespace tenure {

constexpr uint32_t kStockWords = 256;  // By eight bits of the hash
// Behind the run stash's words.
constexpr uint32_t kStockOffset = kCpuAreaSize - kPageSize + 1024;
constexpr uint32_t kStockBatch = 4096;
constexpr uint32_t kLargestStock = 2 * kStockBatch;

struct StockWord {
  uint64_t word = 0;

  static constexpr StockWord of(OwnerTag tag, uint64_t bytes) {
    return {uint64_t{tag} << 32 | bytes};
  }
  constexpr OwnerTag tag() const { return static_cast<OwnerTag>(word >> 32); }
  constexpr uint32_t bytes() const { return static_cast<uint32_t>(word); }
};

// Where the tag's stock of a CPU is, if it has one.
inline std::atomic<uint64_t>& stock_in(uint32_t area, OwnerTag tag) {
  // Fibonacci hashing: contexts lie at regular distances.
  return word_in_area(area, kStockOffset + (tag * 0x9e3779b1u >> 24) * 8);
}

// Pays for an object. False: pay for it with charge_pooled(). Lock-free, async-signal-safe, like all of this.
inline bool take_from_stock(uint32_t area, OwnerTag tag, uint32_t bytes) {
  std::atomic<uint64_t>& stock = stock_in(area, tag);
  const StockWord seen{stock.load(std::memory_order_relaxed)};
  if (seen.tag() != tag || seen.bytes() < bytes) return false;
  uint64_t expected = seen.word;
  // Acquire-release: the bytes' charge comes before their use, wherever either happens.
  return stock.compare_exchange_strong(expected, seen.word - bytes, std::memory_order_acq_rel,
                                       std::memory_order_relaxed);
}
// Takes back what an object has cost. False: uncharge it with uncharge_pooled().
inline bool add_to_stock(uint32_t area, OwnerTag tag, uint32_t bytes) {
  std::atomic<uint64_t>& stock = stock_in(area, tag);
  const StockWord seen{stock.load(std::memory_order_relaxed)};
  if (seen.tag() != tag || seen.bytes() + bytes > kLargestStock) return false;
  uint64_t expected = seen.word;
  return stock.compare_exchange_strong(expected, seen.word + bytes, std::memory_order_acq_rel,
                                       std::memory_order_relaxed);
}

// Puts up bytes that were charged through the context for the tenant, which is pinned; gives them back at once if it has gone. The
// caller has something else charged through the context, which keeps it.
void put_up_stock(const Tenant& tenant, const AccountingContext& context, uint32_t bytes);

// Charges an object to the tenant, which is pinned, and puts up a stock where there is room below every limit. The context that paid,
// or nullptr: refused.
AccountingContext* charge_pooled(Tenant& tenant, uint32_t bytes);
// Uncharges an object, and what is too much in the stock.
void uncharge_pooled(OwnerTag tag, uint32_t bytes);

// Before a charge to the tenant, which is pinned: where it would go above max or high, stocks make room first, so that neither is met
// because of them. Whether there is room now.
bool make_room_of_stocks(const Tenant& tenant, uint64_t bytes);

// Gives back the stocks of the subtree. Returns the bytes.
size_t empty_stocks(const Tenant& top);
// Those of one context, which the caller keeps.
size_t empty_stocks_of(const AccountingContext& context);

// In a fork child, after the tenants: a vanished thread may have put one up for a tenant that was going, and not looked again.
void repair_stocks_after_fork();

// Bytes in stocks of the subtree, and of one context. Exact at rest.
uint64_t stocked_below(const Tenant& top);
uint64_t stocked_by(const AccountingContext& context);

}  // namespace tenure
