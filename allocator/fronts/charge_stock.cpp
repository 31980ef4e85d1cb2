#include "allocator/fronts/charge_stock.h"

#include "accounting/charge/charge.h"
#include "accounting/pressure/reclaim.h"
#include "accounting/tenants/tenant_tree.h"
#include "allocator/fronts/caching_tenants.h"
#include "allocator/fronts/stock_drain.h"
#include "base/system/fence.h"

namespace tenure {
namespace {

static_assert(kLargestStock / StockWord::kUnit <= StockWord::kMostCapacity);
static_assert(kLargestStocked / StockWord::kUnit <= StockWord::kMostUnits);

// The part of the room below the limits that a stock may take.
constexpr uint64_t kShareOfRoom = 8;

uint64_t limit_of(const Tenant& tenant) {
  const uint64_t high = tenant.counter.high(), max = tenant.counter.max();
  return high < max ? high : max;
}

// The lowest level that the bytes would take above max or high; nullptr: none.
Tenant* level_in_the_way(Tenant& tenant, uint64_t bytes) {
  for (Tenant* at = &tenant; at != nullptr; at = at->parent()) {
    const uint64_t limit = limit_of(*at), usage = at->counter.usage();
    if (usage > limit || bytes > limit - usage) return at;
  }
  return nullptr;
}

uint64_t room_below_limits(const Tenant& tenant) {
  uint64_t least = UINT64_MAX;
  for (const Tenant* at = &tenant; at != nullptr; at = at->parent()) {
    const uint64_t limit = limit_of(*at), usage = at->counter.usage();
    const uint64_t room = usage < limit ? limit - usage : 0;
    if (room < least) least = room;
  }
  return least;
}

// How often a stock was opened, and how many threads are about to open one: what tells whether a look at all stocks can be left out. A thread
// that is stopped in between only makes looks necessary.
class Openings {
public:
  struct Seen {
    uint32_t count;
    bool quiet;  // Nobody is about to open one.
  };
  // Sequentially consistent throughout: who opens a stock adds to `under_way_` first and to `count_` last, with the opening between; who
  // looks reads both before. So a look that misses the opening has seen it under way, or sees another count the next time.
  class Scope {
  public:
    explicit Scope(Openings& all) : all_(all) { all_.under_way_.fetch_add(1); }
    ~Scope() {
      all_.count_.fetch_add(1);
      all_.under_way_.fetch_sub(1);
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

  private:
    Openings& all_;
  };
  Seen now() const {
    const bool quiet = under_way_.load() == 0;
    return {count_.load(), quiet};
  }
  bool none_since_last_look(const Tenant& top, Seen now) const {
    return now.quiet && last_look(top).load(std::memory_order_relaxed) == word_of(top, now);
  }
  void note_look(const Tenant& top, Seen before) {
    if (before.quiet) last_look(top).store(word_of(top, before), std::memory_order_relaxed);
  }
  void reset_after_fork() { under_way_.store(0, std::memory_order_relaxed); }

private:
  static constexpr size_t kLooks = 64;
  static uint64_t word_of(const Tenant& top, Seen seen) {
    return (uint64_t{top.number} + 1) << 32 | seen.count;
  }
  std::atomic<uint64_t>& last_look(const Tenant& top) const { return looks_[top.number % kLooks]; }

  std::atomic<uint32_t> count_{0}, under_way_{0};
  // Tenant and count of the last look at its subtree; who has the same place replaces it.
  mutable std::atomic<uint64_t> looks_[kLooks]{};
};
constinit Openings openings;

uint32_t stock_end() {
  const uint32_t end = context_table.end();
  return end < kStockWords ? end : kStockWords;
}

// Whether new bytes may still wait for the context's tenant. In a read section.
bool is_own_context(const AccountingContext& context, const Tenant& tenant) {
  return tenant.online() && tenant.context.load(std::memory_order_acquire) == &context;
}

// Room for two objects, so that one freed and one allocated in turn stay on the CPU.
constexpr size_t least_capacity(size_t bytes) {
  const size_t wanted = kSmallestStock + 2 * bytes,
               most = StockWord::kMostCapacity * StockWord::kUnit;
  return wanted < most ? wanted : most;
}

// The bytes to charge in advance: in proportion to the tenant's usage, so that a small one's peak is nearly its own.
size_t extra_for(const Tenant& tenant, size_t capacity) {
  const uint64_t part = tenant.counter.usage() / 4;
  const size_t wanted = part < kSmallestStock ? kSmallestStock : part;
  return (wanted < capacity / 2 ? wanted : capacity / 2) / 16 * 16;
}

// The tenant that pays through the context now, pinned (but for the root).
Tenant& pin_payer(const AccountingContext& context) {
  grace::ReadSection section;
  Tenant* tenant = context.tenant();
  while (tenant != &root_tenant && !tenant->pin()) tenant = tenant->parent();
  return *tenant;
}

// A free whose stock is closed opens the stock, if the tenant is online. No charge is needed: the bytes are charged.
bool open_with(const Stock& stock, AccountingContext& context, size_t bytes) {
  grace::ReadSection section;
  const Tenant& tenant = *context.tenant();
  if (&tenant == &root_tenant || tag_of(context) >= kStockWords || !is_own_context(context, tenant))
    return false;
  size_t capacity = stock_capacity(tenant, bytes);
  if (capacity == 0) capacity = least_capacity(bytes);
  const StockWord opened = StockWord::of(StockWord::units(bytes), StockWord::units(capacity));
  const Openings::Scope opening(openings);
  if (!stock.replace({}, opened)) return false;
  // As in put_up_stock().
  full_fence();
  if (TENURE_UNLIKELY(!is_own_context(context, tenant))) close_stocks_of(context);
  return true;
}

}  // namespace

size_t stock_capacity(const Tenant& tenant, size_t bytes) {
  const uint64_t share = room_below_limits(tenant) / kShareOfRoom;
  const uint64_t part = tenant.counter.usage() / 4;
  const uint64_t most = part < kUsualStock     ? kUsualStock
                        : part < kLargestStock ? part
                                               : kLargestStock;
  const uint64_t wanted = share < most ? share : most;
  const size_t least = least_capacity(bytes);
  if (share < kSmallestStock) return 0;
  return wanted > least ? wanted / 16 * 16 : least;
}

void put_up_stock(const Tenant& tenant, AccountingContext& context, size_t bytes, size_t capacity) {
  const Stock stock(tag_of(context));
  const uint32_t units = StockWord::units(bytes);
  const Openings::Scope opening(openings);
  StockWord before = stock.load();
  for (;;) {
    const uint32_t have = before.open() ? before.have() : 0;
    const uint32_t most = StockWord::units(capacity);
    // Others on this CPU may have filled it meanwhile.
    if (before.held() || have + units > most || tag_of(context) >= kStockWords)
      return uncharge(context, bytes);
    if (stock.replace(before, StockWord::of(have + units, most))) break;
    before = stock.load();
  }
  // As with caches that are published late: either offline, which marks the tenant before it looks for stocks, finds this one, or
  // this thread sees that the tenant has gone. (An ancestor's context may have paid.)
  full_fence();
  if (TENURE_UNLIKELY(!is_own_context(context, tenant))) close_stocks_of(context);
}

AccountingContext* pay_from_stock(const Tenant& tenant, size_t bytes) {
  const OwnerTag tag = tenant.tag.load(std::memory_order_acquire);
  if (!take_from_stock(tag, bytes)) return nullptr;
  // The tenant may have gone before that, and its context with it: then the number may be another's by now. Acquire: the load comes
  // after that of the stock.
  acquire_fence();
  if (TENURE_LIKELY(tenant.tag.load(std::memory_order_relaxed) == tag)) return &context_of(tag);
  uncharge_to_stock(tag, bytes);
  return nullptr;
}

bool make_room_of_stocks(const Tenant& tenant, uint64_t bytes) {
  while (Tenant* level = level_in_the_way(const_cast<Tenant&>(tenant), bytes)) {
    if (empty_stocks(*level) == 0) return false;
  }
  return true;
}

AccountingContext* charge_with_stock(Tenant& asked, size_t bytes, RequestKind kind) {
  Tenant& tenant = asked.nearest_online();
  const size_t capacity = &tenant == &root_tenant ? 0 : stock_capacity(tenant, bytes);
  if (capacity != 0) {
    const size_t extra = extra_for(tenant, capacity);
    AccountingContext* const context = charge_if_it_fits(tenant, bytes + extra);
    if (context != nullptr) {
      put_up_stock(tenant, *context, extra, capacity);
      return context;
    }
  }
  make_room_of_stocks(tenant, bytes);
  return charge(tenant, bytes, kind);
}

bool charge_more_with_stock(AccountingContext& context, size_t bytes) {
  Tenant& tenant = pin_payer(context);
  const bool own = is_own_context(context, tenant) && &tenant != &root_tenant;
  const size_t capacity = own ? stock_capacity(tenant, bytes) : 0;
  const size_t extra = extra_for(tenant, capacity);
  const bool charged = charge_more_if_it_fits(context, bytes + extra);
  if (charged && extra != 0) put_up_stock(tenant, context, extra, capacity);
  if (&tenant != &root_tenant) tenant.unpin();
  return charged;
}

bool charge_more_with_room(AccountingContext& context, size_t bytes) {
  Tenant& tenant = pin_payer(context);
  make_room_of_stocks(tenant, bytes);
  if (&tenant != &root_tenant) tenant.unpin();
  return charge_more(context, bytes, RequestKind::kSmall);
}

void uncharge_to_stock(OwnerTag tag, size_t bytes) {
  const Stock stock(tag);
  AccountingContext& context = context_of(tag);
  const StockWord seen = stock.load();
  if (bytes > kLargestStocked) return uncharge(context, bytes);
  if (seen.closed() && !in_reclaim() && open_with(stock, context, bytes)) return;
  size_t surplus = bytes;
  if (seen.open()) {
    const uint32_t least = StockWord::units(least_capacity(bytes));
    const uint32_t capacity = seen.capacity() < least ? least : seen.capacity();
    const uint32_t kept = capacity / 4 * 2;
    const uint32_t left = seen.have() < kept ? seen.have() : kept;
    if (stock.replace(seen, StockWord::of(left, capacity)))
      surplus += (seen.have() - left) * StockWord::kUnit;
  }
  uncharge(context, surplus);
}

// Closes all stocks of the subtree. By a look at all words, most of which are closed: that is quicker than a walk of the tenants. Not again
// while no stock was opened since: who is refused again and again pays for it once.
size_t empty_stocks(Tenant& top) {
  const Openings::Seen seen_before = openings.now();
  if (openings.none_since_last_look(top, seen_before)) return 0;
  StockDrain drain(StockDrain::kOpen);
  grace::ReadSection section;
  if (top.children.load(std::memory_order_relaxed) == 0) {
    const AccountingContext* const own = top.context.load(std::memory_order_acquire);
    if (own) drain.add(tag_of(*own));
    return drain.finish();  // As quick as a look at the openings.
  }
  const uint32_t end = stock_end(), areas = arena.cpus + arena.shared_areas;
  for (OwnerTag tag = 1; tag < end; ++tag) {
    uint32_t area = 0;
    while (area < areas && stock_in(area, tag).load(std::memory_order_relaxed) == 0) ++area;
    if (area == areas) continue;
    // Whose number it was may have gone: then the word is closed by now.
    const AccountingContext& context = context_of(tag);
    if (!context.hold_word().dead() && is_below(context.tenant(), top)) drain.add(tag);
  }
  const size_t freed = drain.finish();
  if (drain.reached_all()) openings.note_look(top, seen_before);
  return freed;
}

size_t close_stocks_of(const AccountingContext& context) {
  StockDrain drain(StockDrain::kOpen);
  drain.add(tag_of(context));
  return drain.finish();
}

void age_stocks() {
  // Relaxed: whose turn it is matters to nobody.
  static constinit std::atomic<uint32_t> next{1};
  constexpr uint32_t kStep = 1024;
  const uint32_t end = stock_end();
  const uint32_t from = next.fetch_add(kStep, std::memory_order_relaxed);
  if (from + kStep >= end) next.store(1, std::memory_order_relaxed);
  StockDrain drain(StockDrain::kFilled);
  // A number is not reused while one of its words may be stopped here.
  grace::ReadSection section;
  for (uint32_t tag = from; tag < from + kStep && tag < end; ++tag) drain.add(tag);
  drain.finish();
}

void repair_stocks_after_fork() {
  openings.reset_after_fork();
  release_stops_after_fork();
  // Read only where nothing is wrong, so that the child's pages stay the parent's.
  const uint32_t end = stock_end();
  for (uint32_t area = 0; area < arena.cpus + arena.shared_areas; ++area) {
    for (uint32_t tag = 1; tag < end; ++tag) {
      std::atomic<uint32_t>& word = stock_in(area, tag);
      const StockWord seen{word.load(std::memory_order_relaxed)};
      if (seen.closed()) continue;
      grace::ReadSection section;
      AccountingContext& context = context_of(tag);
      if (seen.open() && !context.hold_word().dead() && is_own_context(context, *context.tenant()))
        continue;
      word.store(0, std::memory_order_relaxed);
      if (seen.bytes() != 0) uncharge(context, seen.bytes());
    }
  }
}

uint64_t stocked_below(Tenant& top) {
  uint64_t bytes = 0;
  for_each_in_subtree(top, [&bytes](Tenant& tenant) {
    if (const AccountingContext* own = tenant.context.load(std::memory_order_acquire))
      bytes += stocked_by(*own);
    return true;
  });
  return bytes;
}

uint64_t stocked_by(const AccountingContext& context) {
  uint64_t bytes = 0;
  for (uint32_t area = 0; area < arena.cpus + arena.shared_areas; ++area) {
    bytes += StockWord{stock_in(area, tag_of(context)).load(std::memory_order_acquire)}.bytes();
  }
  return bytes;
}

uint64_t stocked_bytes() {
  uint64_t bytes = 0;
  const uint32_t end = stock_end();
  for (uint32_t tag = 1; tag < end; ++tag) bytes += stocked_by(context_of(tag));
  return bytes;
}

}  // namespace tenure
