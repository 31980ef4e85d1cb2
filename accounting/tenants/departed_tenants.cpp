#include "accounting/tenants/departed_tenants.h"

#include <atomic>

#include "accounting/tenants/tenant.h"
#include "base/words/bits.h"

namespace tenure {
namespace {

// A ring. Departures are counted first and then written, so two at the same instant may come in either order. Acquire and release: the
// thread that frees a tenant sees the writes of the thread that kept it.
constinit std::atomic<uint64_t> departures{0};
constinit std::atomic<Tenant*> kept[kKeptTenants]{};
constinit std::atomic<size_t> bytes{0};  // Statistics only: relaxed.

}  // namespace

Tenant* keep_departed(Tenant& tenant) {
  bytes.fetch_add(tenant.metadata_bytes(), std::memory_order_relaxed);
  const uint64_t at = departures.fetch_add(1, std::memory_order_relaxed);
  Tenant* const longest = kept[at % kKeptTenants].exchange(&tenant, std::memory_order_acq_rel);
  if (longest) bytes.fetch_sub(longest->metadata_bytes(), std::memory_order_relaxed);
  return longest;
}

uint32_t scope_generation() {
  return static_cast<uint32_t>(departures.load(std::memory_order_relaxed) / kKeptTenants) %
         (1u << (32 - kPlaceBits));
}

size_t departed_tenants_bytes() { return bytes.load(std::memory_order_relaxed); }

}  // namespace tenure
