#include "accounting/tenants/tenant_ids.h"

#include "accounting/tenants/tenant.h"
#include "base/memory/meta_arena.h"
#include "base/words/atomic_update.h"
#include "base/words/bits.h"

namespace tenure {
namespace {

constexpr uint32_t kIdsPerPage = kPageSize * 8;
constexpr uint32_t kPages = kMostTenants / kIdsPerPage;

// A set bit is a taken id. Pages are allocated on first use and stay (128 KiB for a million ids). A
// page pointer is set under tenants_mutex with release and read with acquire; words change by
// single read-modify-writes.
constinit std::atomic<std::atomic<uint64_t>*> pages[kPages];
// No id below this word is free. Lowered by release, raised by take. The hint may be too low, but never too high.
constinit std::atomic<uint32_t> first_word{0};

constexpr uint32_t kWordsPerPage = kPageSize / sizeof(uint64_t);

}  // namespace

constinit RcuArray<Tenant> tenants_by_id;

bool take_tenant_id(TenantId* id) {
  for (;;) {
    const uint32_t start = first_word.load(std::memory_order_acquire);
    for (uint32_t w = start; w < kPages * kWordsPerPage; ++w) {
      auto& slot = pages[w / kWordsPerPage];
      std::atomic<uint64_t>* page = slot.load(std::memory_order_acquire);
      if (page == nullptr) {
        page = static_cast<std::atomic<uint64_t>*>(meta_arena.allocate(kPageSize));
        if (page == nullptr) return false;
        if (w == 0) page[0].store(1, std::memory_order_relaxed);  // The root's.
        slot.store(page, std::memory_order_release);
      }
      std::atomic<uint64_t>& word = page[w % kWordsPerPage];
      // Acquire: the former owner's last use; pairs with release_tenant_id().
      const uint64_t seen = word.load(std::memory_order_acquire);
      if (seen == ~0ULL) continue;
      const unsigned bit = static_cast<unsigned>(std::countr_one(seen));
      word.fetch_or(1ULL << bit,
                    std::memory_order_acq_rel);  // Only the holder of tenants_mutex sets bits.
      // If an id below was released since `start` was read, the hint has changed and stays.
      uint32_t expected = start;
      first_word.compare_exchange_strong(expected, w, std::memory_order_acq_rel);
      *id = TenantId{w * 64 + bit};
      return true;
    }
    uint32_t expected = start;
    if (start == 0 || first_word.compare_exchange_strong(expected, 0, std::memory_order_acq_rel))
      return false;
  }
}

void release_tenant_id(TenantId id) {
  const uint32_t index = index_of(id);
  const uint32_t w = index / 64;
  std::atomic<uint64_t>* page = pages[w / kWordsPerPage].load(std::memory_order_acquire);
  // Release: pairs with the load in take_tenant_id().
  page[w % kWordsPerPage].fetch_and(~(1ULL << index % 64), std::memory_order_acq_rel);
  uint32_t hint = first_word.load(std::memory_order_acquire);
  while (w < hint && !first_word.compare_exchange_weak(hint, w, std::memory_order_acq_rel)) {
  }
}

Tenant* tenant_by_id(TenantId id) {
  return id == kRootTenant ? &root_tenant : tenants_by_id.load(index_of(id));
}

}  // namespace tenure
