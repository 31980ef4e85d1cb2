// Which tenants may have free objects in CPU fronts or depots: a purge looks at these, and not at all that lie below the tenant at
// its limit. So a refused request costs the same however many tenants have nothing to give.
//
// A tenant is in the set unless a purge has found all its words in the fronts closed and its depots empty. A free that the fast path
// takes goes to an open word, so it needs no look at the set: a word is opened, and a depot filled, by slow steps only, and these
// put the tenant into the set first.
//
// Tenant::caching is one of
//
//   clean              not in the set
//   entering           a slow step is about to set the tenant's bit; who finds this does the same
//   caching            in the set
//   checking(number)   in the set; that purge empties the tenant's words and depots
//   checked(cookie)    in the set; a purge has emptied them, and when the grace period has passed one may look whether all still are
//
//   entering:   any -> entering; set the bit; entering -> caching        by a slow step, before it opens a word, in its read section
//   a purge:    caching, checking, checked -> checking(number); empty; checking(number) -> checked(cookie of now)
//   the next:   cookie has passed, all is closed and empty: checked(cookie) -> clean; clear the bit if it is not set anew
//
// Why no tenant is clean that has free objects, though a thread may be stopped at any instruction:
//  1. A slow step sees `caching`, or makes it so, and opens its word in the same read section.
//  2. A section that sees anything older than checking(number) began before the cookie was taken: so when the cookie has passed, the
//     word is open, and the look finds it. If it closes again meanwhile, a purge has closed it, and gave its objects to their slabs.
//  3. A section that began later sees checking(number), or what came after. It leaves `entering`, and checked(cookie) -> clean fails.
// Why a tenant that is not clean has its bit: only `caching` and what follows it lets slow steps go on, and between the last `clean` and
// `caching` the bit was set, by a read-modify-write that also counts. Clearing it is a compare-and-swap of the word with that
// count, read before the tenant was found clean.
//
// The opposite mistake, a tenant that is in the set and has nothing, costs a look at the tenant.
#pragma once

#include <bit>
#include <optional>

#include "accounting/tenants/tenant.h"
#include "accounting/tenants/tenant_ids.h"
#include "allocator/slabs/cache.h"

namespace tenure {

struct CachingState {
  uint64_t word = 0;

  static constexpr uint64_t kClean = 0, kEntering = 1, kCaching = 2;
  static constexpr unsigned kKindBits = 2;

  static constexpr CachingState checking(uint64_t number) { return {number << kKindBits | 3}; }
  static constexpr CachingState checked(grace::Cookie cookie) { return {cookie << kKindBits}; }
  constexpr bool is_clean() const { return word == kClean; }
  constexpr bool is_checked() const { return word != kClean && (word & 3) == 0; }
  constexpr grace::Cookie cookie() const { return word >> kKindBits; }
};

TENURE_SLOW void enter_caching(Tenant& tenant);

// Before a word of the cache is opened, or its depot filled: in the same read section, unless the cache is the root's or the pool's.
inline void note_caching(const Cache& cache) {
  if (cache.owner == &root_tenant) return;
  // Acquire: argument 1.
  if (cache.owner->caching.load(std::memory_order_acquire) != CachingState::kCaching)
    enter_caching(*cache.owner);
}

// The same, with the section, for the length of the object.
class CachingScope {
public:
  explicit CachingScope(const Cache& cache) {
    if (cache.owner == &root_tenant) return;
    section_.emplace();
    note_caching(cache);
  }

private:
  std::optional<grace::ReadSection> section_;
};

// Calls fn(Tenant&) for the tenants of the set at or below `top`, and perhaps for others there, until it returns false. In a read section.
template <typename Fn>
void for_each_caching(Tenant& top, Fn fn);

// ---- the set ----

// Bits of 32 tenants by id, and a count of how often one was set: it tells a word that looks the same from one that is.
struct CachingWord {
  uint64_t word = 0;

  static constexpr unsigned kIds = 32;
  constexpr bool has(uint32_t id) const { return word >> id % kIds & 1; }
  constexpr CachingWord with(uint32_t id) const {
    return {(word | uint64_t{1} << id % kIds) + (uint64_t{1} << kIds)};
  }
  constexpr CachingWord without(uint32_t id) const { return {word & ~(uint64_t{1} << id % kIds)}; }
  constexpr uint32_t bits() const { return static_cast<uint32_t>(word); }
};

extern constinit std::atomic<uint64_t> caching_words[kMostTenants / CachingWord::kIds];
inline std::atomic<uint64_t>& caching_word_of(uint32_t id) {
  return caching_words[id / CachingWord::kIds];
}
// No word from here on was ever used.
extern constinit std::atomic<uint32_t> caching_end;

// A subtree of no more tenants than this is walked: fewer steps than a look at all of the set.
constexpr uint32_t kSmallSubtree = 32;

bool is_small_subtree(Tenant& top);
bool is_below(const Tenant* tenant, const Tenant& top);
Tenant* next_in_walk(Tenant& top, Tenant* at);

template <typename Fn>
void for_each_caching(Tenant& top, Fn fn) {
  if (is_small_subtree(top)) {
    for (Tenant* at = &top; at != nullptr; at = next_in_walk(top, at)) {
      if (at->online() && !fn(*at)) return;
    }
    return;
  }
  const uint32_t end = caching_end.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < end; ++i) {
    uint32_t bits = CachingWord{caching_words[i].load(std::memory_order_acquire)}.bits();
    for (; bits != 0; bits &= bits - 1) {
      const uint32_t id = i * CachingWord::kIds + static_cast<uint32_t>(std::countr_zero(bits));
      // A bit may be that of a tenant that has gone, until its id is used again.
      Tenant* const tenant = tenant_by_id(TenantId{id});
      if (tenant && tenant->online() && is_below(tenant, top) && !fn(*tenant)) return;
    }
  }
}

}  // namespace tenure
