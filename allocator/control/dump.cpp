#include "allocator/control/dump.h"

#include <errno.h>

#include "accounting/tenants/context_table.h"
#include "accounting/tenants/tenant_tree.h"
#include "allocator/control/census.h"
#include "allocator/control/statistics.h"
#include "allocator/fronts/charge_stock.h"
#include "base/memory/meta_arena.h"
#include "base/system/file_writer.h"

namespace tenure {
namespace {

// An online tenant, or a departed one that still holds memory.
struct Holder {
  uint64_t held;   // Charged, large objects included.
  uint64_t bytes;  // In slabs.
  uint32_t slabs, alone;
  uint32_t id;
  bool departed;
  char origin[24];  // Of a departed one: its name,
  char path[256];   // and the tenant that pays for it now; else its own path.
};

// The holders that keep most slabs in use, most first, and the sum of all others.
struct Holders {
  static constexpr uint32_t kMost = 32;
  Holder first[kMost];
  uint32_t count;
  uint32_t others, other_slabs;
  uint64_t departed, departed_bytes;

  // The place of a holder, or nullptr: others hold more. The last one may go to the others for it.
  Holder* place_for(uint32_t slabs, uint64_t held);
};

bool is_before(const Holder& a, uint32_t slabs, uint64_t held) {
  return a.slabs != slabs ? a.slabs > slabs : a.held >= held;
}

Holder* Holders::place_for(uint32_t slabs, uint64_t held) {
  uint32_t at = count;
  while (at > 0 && !is_before(first[at - 1], slabs, held)) --at;
  if (at == kMost) {
    ++others;
    other_slabs += slabs;
    return nullptr;
  }
  if (count == kMost) {
    ++others;
    other_slabs += first[kMost - 1].slabs;
  } else {
    ++count;
  }
  for (uint32_t i = count - 1; i > at; --i) first[i] = first[i - 1];
  return &first[at];
}

void add_holder(Holders& holders, const Holding& holding, const Tenant& payer,
                const AccountingContext* departed) {
  const AccountingContext* const own = payer.context.load(std::memory_order_relaxed);
  const uint64_t held = departed ? departed->held() : own ? own->held() : 0;
  if (departed) {
    ++holders.departed;
    holders.departed_bytes += held;
  }
  if (holding.slabs == 0 && !departed) return;
  Holder* const holder = holders.place_for(holding.slabs, held);
  if (holder == nullptr) return;
  *holder = {.held = held,
             .bytes = holding.bytes,
             .slabs = holding.slabs,
             .alone = holding.alone,
             .id = departed ? departed->origin_id() : uint32_t{index_of(payer.id())},
             .departed = departed != nullptr,
             .origin = {},
             .path = {}};
  if (departed) __builtin_memcpy(holder->origin, departed->origin_name(), sizeof holder->origin);
  holder->origin[sizeof holder->origin - 1] = '\0';
  payer.copy_path(holder->path, sizeof holder->path);
}

// Under tenants_mutex.
void add_holders_of(Holders& holders, const HeapCensus& census, const Tenant& tenant) {
  const AccountingContext* const own = tenant.context.load(std::memory_order_relaxed);
  if (&tenant == &root_tenant) add_holder(holders, census.of(0), tenant, nullptr);
  for (AccountingContext* c = tenant.contexts.first(); c != nullptr; c = c->next()) {
    const Holding& holding = census.of(context_table.number_of(*c));
    if (c == own) {
      if (&tenant != &root_tenant) add_holder(holders, holding, tenant, nullptr);
      continue;
    }
    if (!c->pin()) continue;  // The pin keeps the name readable.
    if (c->held() != 0) add_holder(holders, holding, tenant, c);
    c->unpin();
  }
}

bool collect_holders(Tenant& top, const HeapCensus& census, bool may_wait, Holders& holders) {
  if (may_wait)
    tenants_mutex.lock();
  else if (!tenants_mutex.try_lock())
    return false;
  for_each_in_subtree(top, [&](const Tenant& tenant) {
    add_holders_of(holders, census, tenant);
    return true;
  });
  tenants_mutex.unlock();
  return true;
}

void write_classes(FileWriter& out, const HeapCensus& census) {
  bool first = true;
  out.text("\"classes\":[");
  for (uint32_t i = 0; i < HeapCensus::kShares; ++i) {
    const ClassShare& share = census.share(i);
    if (share.live == 0 && share.slabs == 0) continue;
    const struct {
      const char* name;
      uint64_t value;
    } fields[] = {{"\"size\":", i < kClassCount ? uint64_t{class_size(i)} : uint64_t{0}},
                  {",\"live\":", share.live},
                  {",\"live_bytes\":", share.live_bytes},
                  {",\"pooled\":", share.pooled},
                  {",\"pooled_slabs\":", share.pooled_slabs},
                  {",\"slabs\":", share.slabs},
                  {",\"slab_bytes\":", share.slab_bytes},
                  {",\"in_slabs\":", share.in_slabs},
                  {",\"in_depots\":", share.in_depots},
                  {",\"in_fronts\":", share.in_fronts}};
    out.text(first ? "{" : ",{");
    for (const auto& field : fields) out.text(field.name).number(field.value);
    out.text("}");
    first = false;
  }
  out.text("]");
}

void write_holders(FileWriter& out, const Holders& holders) {
  out.text(",\"departed\":{\"tenants\":").number(holders.departed);
  out.text(",\"bytes\":").number(holders.departed_bytes).text("},\"holders\":[");
  for (uint32_t i = 0; i < holders.count; ++i) {
    const Holder& holder = holders.first[i];
    out.text(i == 0 ? "{\"tenant\":" : ",{\"tenant\":").quoted(holder.path);
    if (holder.departed) out.text(",\"departed\":").quoted(holder.origin);
    out.text(",\"id\":").number(holder.id).text(",\"slabs\":").number(holder.slabs);
    out.text(",\"alone\":").number(holder.alone).text(",\"bytes\":").number(holder.bytes);
    out.text(",\"held\":").number(holder.held).text("}");
  }
  out.text("],\"others\":{\"tenants\":").number(holders.others);
  out.text(",\"slabs\":").number(holders.other_slabs).text("}");
}

uint64_t stocked_at(Tenant& tenant) {
  grace::ReadSection section;
  const AccountingContext* const own = tenant.context.load(std::memory_order_acquire);
  return own ? stocked_by(*own) : 0;
}

}  // namespace

int dump_tenant(Tenant& tenant, bool may_wait, int fd, uint64_t most) {
  HeapCensus census(tenant);
  auto* const holders = static_cast<Holders*>(meta_arena.allocate(sizeof(Holders)));
  int result = -ENOMEM;
  if (census.ready() && holders) {
    census.take();
    result = collect_holders(tenant, census, may_wait, *holders) ? 0 : -EAGAIN;
  }
  if (result == 0) {
    FileWriter out(fd, most);
    out.text(is_isolated(tenant) ? "{\"isolated\":true," : "{\"isolated\":false,");
    write_classes(out, census);
    const FreeBytes& free = census.free_bytes();
    out.text(",\"free\":{\"slabs\":").number(free.in_slabs);
    out.text(",\"depots\":").number(free.in_depots).text(",\"fronts\":").number(free.in_fronts);
    out.text("},\"large\":{\"objects\":").number(census.large_objects());
    out.text(",\"bytes\":").number(census.large_bytes());
    out.text("},\"stocked\":").number(stocked_at(tenant));
    out.text(",\"unowned_slabs\":").number(census.unowned_slabs());
    write_holders(out, *holders);
    out.text("}\n");
    result = out.end();
  }
  if (holders) meta_arena.release(holders, sizeof(Holders));
  return result;
}

}  // namespace tenure
