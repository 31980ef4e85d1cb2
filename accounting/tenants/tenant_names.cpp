#include "accounting/tenants/tenant_names.h"

#include <atomic>

#include "accounting/tenants/tenant.h"
#include "base/memory/meta_arena.h"
#include "base/system/check.h"
#include "base/words/bits.h"

namespace tenure {
namespace {

struct Table {
  DeferredItem item;            // Once superseded. First: found again by a cast.
  std::atomic<Tenant*>* slots;  // Constant. nullptr: never used; tombstone(): skip.
  uint32_t capacity;            // Constant; a power of two.
  uint32_t used;                // Under tenants_mutex: slots that are not nullptr.
  uint32_t live;                // Under tenants_mutex: slots with a tenant.
};

constexpr uint32_t kSmallest = 64;

Tenant* tombstone() { return reinterpret_cast<Tenant*>(uintptr_t{1}); }

// Stored with release under tenants_mutex; loaded with acquire in read sections.
constinit std::atomic<Table*> current{nullptr};

// FNV-1a, then mixed so that the low bits depend on all.
uint64_t hash_of(const Tenant* parent, const char* name, size_t length) {
  uint64_t hash = 0xcbf29ce484222325ULL ^ reinterpret_cast<uint64_t>(parent);
  for (size_t i = 0; i < length; ++i)
    hash = (hash ^ static_cast<unsigned char>(name[i])) * 0x100000001b3ULL;
  return hash ^ hash >> 29 ^ hash >> 47;
}

void release_table(Table* table) {
  meta_arena.release(table->slots, table->capacity * sizeof(*table->slots));
  meta_arena.destroy(table);
}

void insert(Table& table, Tenant& tenant) {
  uint64_t at = hash_of(tenant.parent(), tenant.name(), tenant.name_length);
  for (;; ++at) {
    std::atomic<Tenant*>& slot = table.slots[at & (table.capacity - 1)];
    Tenant* seen = slot.load(std::memory_order_relaxed);
    if (seen != nullptr && seen != tombstone()) continue;
    if (seen == nullptr) ++table.used;
    ++table.live;
    // Release: pairs with find_child().
    slot.store(&tenant, std::memory_order_release);
    return;
  }
}

// Publishes a table with room for `live` tenants, with the old one's contents.
bool rebuild(Table* old, uint32_t live) {
  uint32_t capacity = kSmallest;
  while (capacity < live * 2) capacity *= 2;
  auto* fresh = meta_arena.create<Table>();
  if (fresh == nullptr) return false;
  fresh->slots =
      static_cast<std::atomic<Tenant*>*>(meta_arena.allocate(capacity * sizeof(*fresh->slots)));
  if (fresh->slots == nullptr) {
    meta_arena.destroy(fresh);
    return false;
  }
  fresh->capacity = capacity;
  for (uint32_t i = 0; old != nullptr && i < old->capacity; ++i) {
    Tenant* tenant = old->slots[i].load(std::memory_order_relaxed);
    if (tenant != nullptr && tenant != tombstone()) insert(*fresh, *tenant);
  }
  current.store(fresh, std::memory_order_release);
  if (old) {
    deferred::defer(old->item,
                    [](DeferredItem* item) { release_table(reinterpret_cast<Table*>(item)); });
  }
  return true;
}

}  // namespace

Tenant* find_child(const Tenant& parent, const char* name, size_t length) {
  TENURE_ASSERT(grace::in_read_section());
  const Table* table = current.load(std::memory_order_acquire);
  if (table == nullptr) return nullptr;
  uint64_t at = hash_of(&parent, name, length);
  for (uint32_t probes = 0; probes < table->capacity; ++probes, ++at) {
    Tenant* seen = table->slots[at & (table->capacity - 1)].load(std::memory_order_acquire);
    if (seen == nullptr) return nullptr;
    if (seen == tombstone() || seen->parent() != &parent || seen->name_length != length) continue;
    // A name is unique among online tenants; one that has left may still be met before its
    // successor.
    if (__builtin_memcmp(seen->name(), name, length) == 0 && seen->online()) return seen;
  }
  return nullptr;
}

bool reserve_name() {
  Table* table = current.load(std::memory_order_relaxed);
  // At most three quarters used, tombstones included: probes stay short and always meet an empty
  // slot.
  if (table != nullptr && (table->used + 1) * 4 <= table->capacity * 3) return true;
  return rebuild(table, (table ? table->live : 0) + 1);
}

void add_name(Tenant& tenant) { insert(*current.load(std::memory_order_relaxed), tenant); }

void remove_name(Tenant& tenant) {
  Table* table = current.load(std::memory_order_relaxed);
  uint64_t at = hash_of(tenant.parent(), tenant.name(), tenant.name_length);
  for (uint32_t probes = 0; table != nullptr && probes < table->capacity; ++probes, ++at) {
    std::atomic<Tenant*>& slot = table->slots[at & (table->capacity - 1)];
    Tenant* seen = slot.load(std::memory_order_relaxed);
    if (seen == nullptr) return;
    if (seen != &tenant) continue;
    slot.store(tombstone(), std::memory_order_release);
    --table->live;
    break;
  }
  // The table shrinks with the number of tenants. If there is no memory now, a later removal tries again.
  if (table && table->capacity > kSmallest && table->live < table->capacity / 8)
    rebuild(table, table->live);
}

size_t names_bytes() {
  grace::ReadSection section;
  const Table* table = current.load(std::memory_order_acquire);
  return table ? sizeof(Table) + table->capacity * sizeof(*table->slots) : 0;
}

void clear_names() {
  Table* table = current.load(std::memory_order_relaxed);
  if (table == nullptr) return;
  for (uint32_t i = 0; i < table->capacity; ++i)
    table->slots[i].store(nullptr, std::memory_order_relaxed);
  table->used = table->live = 0;
}

}  // namespace tenure
