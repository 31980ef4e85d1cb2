#include "accounting/departed_tenants.h"

#include <atomic>

#include "accounting/tenant.h"
#include "base/bits.h"

namespace tenure {
namespace {

// A ring. Departures are counted first and then written, so that two at the same instant may come in either order. Acquire and
// release: who frees a tenant has what who kept it has written.
constinit std::atomic<uint64_t> departures{0};
constinit std::atomic<Tenant*> kept[kKeptTenants]{};

}  // namespace

Tenant* keep_departed(Tenant& tenant) {
  const uint64_t at = departures.fetch_add(1, std::memory_order_relaxed);
  return kept[at % kKeptTenants].exchange(&tenant, std::memory_order_acq_rel);
}

uint32_t scope_generation() {
  return static_cast<uint32_t>(departures.load(std::memory_order_relaxed) / kKeptTenants) %
         (1u << (32 - kPlaceBits));
}

size_t departed_tenants_bytes() {
  size_t bytes = 0;
  for (const auto& slot : kept) {
    const Tenant* const tenant = slot.load(std::memory_order_acquire);
    if (tenant) bytes += tenant->metadata_bytes();
  }
  return bytes;
}

}  // namespace tenure
