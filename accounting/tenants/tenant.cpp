#include "accounting/tenants/tenant.h"

#include "accounting/counters/protection.h"
#include "accounting/tenants/context_table.h"
#include "accounting/tenants/departed_tenants.h"
#include "accounting/tenants/notifier.h"
#include "accounting/tenants/own_region.h"
#include "base/memory/meta_arena.h"
#include "base/system/check.h"
#include "rcu/rseq_ops.h"

namespace tenure {
namespace {

// No path has this form, because paths begin with '/'.
constexpr const char* kNobodysName = "(none)";

// The root's name. The root's own fields hold only short names. Constant after bootstrap.
constinit char root_name[kLongestName + 1] = {};

}  // namespace

constinit Mutex tenants_mutex{LockRank::kTenants};
constinit Tenant root_tenant(kRootFrontOffset);
constinit Tenant nobody(kNobodysNumber, TenantId{UINT32_MAX}, kDurableTenant);

const char* Tenant::name() const {
  if (this == &nobody) return kNobodysName;
  if (this == &root_tenant) return root_name;
  return name_length < sizeof short_name ? short_name : long_name;
}

namespace {

// Calls put(text) for each piece of the path of a tenant.
template <typename Put>
void for_each_piece(const Tenant& of, Put put) {
  const Tenant* way[kDeepest];
  unsigned length = 0;
  for (const Tenant* t = &of; t->parent() != nullptr && length < kDeepest; t = t->parent())
    way[length++] = t;
  if (&of == &nobody) return put(kNobodysName);
  if (root_name[0] != '\0' || length == 0) put("/");
  put(root_name);
  while (length-- > 0) {
    put("/");
    put(way[length]->name());
  }
}

}  // namespace

void name_root(const char* name) {
  size_t i = 0;
  for (; name[i] != '\0' && i < kLongestName; ++i) root_name[i] = name[i];
  root_name[i] = '\0';
}

void Tenant::write_path(LineBuffer& line) const {
  for_each_piece(*this, [&](const char* piece) { line.text(piece); });
}

size_t Tenant::copy_path(char* buffer, size_t size) const {
  size_t length = 0;
  for_each_piece(*this, [&](const char* piece) {
    for (; *piece != '\0'; ++piece, ++length)
      if (length + 1 < size) buffer[length] = *piece;
  });
  if (size > 0) buffer[length < size ? length : size - 1] = '\0';
  return length;
}

void Tenant::set_context(AccountingContext* charged) {
  context.store(charged, std::memory_order_release);
  tag.store(charged ? context_table.number_of(*charged) : 0, std::memory_order_release);
}

bool Tenant::pin() {
  if (parent() == nullptr) return true;
  uint32_t seen = pins.load(std::memory_order_relaxed);
  do {
    if (seen == 0) return false;
    // Relaxed: the caller can reach the tenant already; partner is the subtraction in unpin().
  } while (!pins.compare_exchange_weak(seen, seen + 1, std::memory_order_relaxed));
  return true;
}

void free_tenant(Tenant& tenant) {
  hide_tenant(tenant);
  if (tenant.name_length >= sizeof tenant.short_name) {
    meta_arena.release(tenant.long_name, tenant.name_length + size_t{1});
  }
  meta_arena.destroy(&tenant);
}

size_t Tenant::metadata_bytes() const {
  const size_t name_bytes = name_length < sizeof short_name ? 0 : name_length + size_t{1};
  return sizeof(Tenant) + MetaArena::block_bytes(name_bytes);
}

// Frees without another grace period. The tree's pin goes only after a grace period that started when no list, table or context led here
// any more. So by now only pins lead here, and this was the last.
void Tenant::unpin() {
  Tenant* tenant = this;
  while (tenant->parent() != nullptr) {
    // Release: this pin's use comes before; acquire: all pins' use comes before the freeing.
    const uint32_t before = tenant->pins.fetch_sub(1, std::memory_order_acq_rel);
    if (before == 0) fatal("accounting: tenant unpinned more often than pinned");
    if (before != 1) return;
    Tenant* above = tenant->parent();
    if (Notifier* listening = tenant->notifier.load(std::memory_order_relaxed)) {
      tenant->notifier.store(nullptr, std::memory_order_relaxed);
      meta_arena.destroy(listening);
    }
    if (Tenant* const longest = keep_departed(*tenant)) free_tenant(*longest);
    tenant = above;  // The child's pin on its parent.
  }
}

Tenant::Protection Tenant::protection_from(const Tenant& top) const {
  const Tenant* way[kDeepest];
  unsigned length = 0;
  for (const Tenant* t = this; t != &top && t != nullptr; t = t->parent()) way[length++] = t;
  // A tenant's memory is not protected against its own limit. Its usage bounds the claims of its children.
  Protection effective{kUnlimited, kUnlimited};
  if (length == 0) return {0, 0};
  while (length-- > 0) {
    const Tenant& node = *way[length];
    uint64_t min_claims = 0, low_claims = 0;
    for (const Tenant* t = node.parent()->first_child.load(std::memory_order_acquire); t != nullptr;
         t = t->next_sibling.load(std::memory_order_acquire)) {
      const uint64_t usage = t->counter.usage();
      min_claims += claimed_protection(usage, t->counter.min());
      low_claims += claimed_protection(usage, t->counter.low());
    }
    const uint64_t usage = node.counter.usage();
    effective.min = effective_protection(claimed_protection(usage, node.counter.min()),
                                         effective.min, min_claims);
    effective.low = effective_protection(claimed_protection(usage, node.counter.low()),
                                         effective.low, low_claims);
  }
  return effective;
}

}  // namespace tenure
