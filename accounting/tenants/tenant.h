// Room accounting/tenants: the tenant tree and its bytes. It calls base and rcu, and what accounting/hooks.h names. It promises
// that every counter is exact at every instant, and that lookups take no lock.
//
// A tenant: a node of the tree that memory is charged to. Its fields and what is done to one
// tenant; the tree is in accounting/tenants/tenant_tree.
//
// Life: online (from create_tenant) -> dying (offline_tenant; nothing new is charged to it, its
// contexts go to the parent) -> gone (a grace period later; its id is free for others). The memory
// stays while it is pinned:
//   - one pin is the tree's, from creation until it is gone;
//   - one is the creator's, and each of find_tenant()'s and pin()'s callers': a handle is good
//     until unpinned, also after offline; a thread inside the tenant relies on such a handle;
//   - one for each child that has pins, so that every ancestor of a valid tenant is valid.
// Without pins it is kept for a while, for those who use it nevertheless (departed_tenants.h).
// Unpinned pointers (from lists, tables, contexts) are good in a read section. At rest a tenant
// costs 256 bytes, its context 64, a name of more than 15 bytes 64.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "accounting/counters/page_counter.h"
#include "accounting/counters/policy.h"
#include "accounting/tenants/accounting_context.h"
#include "accounting/tenants/event_kind.h"
#include "base/system/lock.h"
#include "base/system/log.h"
#include "base/words/ids.h"
#include "rcu/deferred.h"

namespace tenure {

struct Notifier;

enum class TenantState : uint8_t { kOnline, kDying, kGone };

constexpr size_t kLongestName = 63;

// Tenant::flags.
constexpr uint32_t kDurableTenant = 1;   // Threads created inside start inside.
constexpr uint32_t kIsolatedTenant = 2;  // Its memory is cleared before others get it.

// Tenant::number.
constexpr unsigned kPlaceBits = 28;
constexpr uint32_t kPlaceMask = (1u << kPlaceBits) - 1;

// The one lock of control operations: creation, offline, lists, handlers. No malloc or free takes
// it. docs/locks.md
extern constinit Mutex tenants_mutex;

// Tenant::allocator_data of an isolated tenant from its creation: one test tells the tenants that share slabs.
inline void* apart_mark() { return reinterpret_cast<void*>(uintptr_t{1}); }

struct alignas(64) Tenant {
  constexpr Tenant() = default;
  constexpr explicit Tenant(uint32_t its_front) : front(its_front) {}
  // Nobody.
  constexpr Tenant(uint32_t its_number, TenantId its_id, uint32_t its_flags)
      : number(its_number), tenant_id(its_id), flags(its_flags) {}
  Tenant(const Tenant&) = delete;
  Tenant& operator=(const Tenant&) = delete;

  // The tenant a counter is part of.
  static Tenant& of(PageCounter& counter) { return reinterpret_cast<Tenant&>(counter); }
  static const Tenant& of(const PageCounter& counter) {
    return reinterpret_cast<const Tenant&>(counter);
  }

  // nullptr for the root. Valid as long as this tenant is.
  Tenant* parent() const { return reinterpret_cast<Tenant*>(counter.parent()); }
  TenantId id() const { return tenant_id; }
  const char* name() const;
  // Appends "/shop/acme"; "/" for the root. Where the root has a name, that comes first: "/process", "/process/shop/acme".
  void write_path(LineBuffer& line) const;
  // The same into `size` bytes, ended by 0 and cut where need be. Returns the whole length.
  size_t copy_path(char* buffer, size_t size) const;

  // Acquire: pairs with the release in offline; who sees a later state sees what led to it.
  TenantState current_state() const { return state.load(std::memory_order_acquire); }
  bool online() const { return current_state() == TenantState::kOnline; }
  // Itself while online, else the nearest ancestor that is: where a thread still inside goes on,
  // and whose id indexes every per-tenant array. With a pin or in a read section; lock-free;
  // async-signal-safe.
  Tenant& nearest_online() {
    Tenant* tenant = this;
    while (!tenant->online()) tenant = tenant->parent();  // The root is always online.
    return *tenant;
  }

  // Keeps the memory. False if it has no pins left (then only a read section keeps it). unpin() may
  // free it. The root and nobody stay without.
  bool pin();
  void unpin();
  // Pins it, or if it has no pins left the nearest ancestor that has. In a read section, or with a pin.
  Tenant& pin_nearest() {
    Tenant* tenant = this;
    while (!tenant->pin()) tenant = tenant->parent();
    return *tenant;
  }
  // Of the structure itself.
  size_t metadata_bytes() const;

  // Under tenants_mutex. nullptr: none from now on.
  void set_context(AccountingContext* charged);
  // Changes the limit at once; the caller then reclaims what the return value (usage) is above it.
  // Lock-free.
  uint64_t set_max(uint64_t bytes) { return counter.set_max(bytes); }
  void set_policy(Policy value) { counter.set_policy(static_cast<uint64_t>(value)); }
  void set_reserve(uint64_t bytes) { counter.set_reserve(bytes); }
  Policy policy() const { return policy_in(counter.oom()); }
  uint64_t reserve() const { return live::reserve_of(counter.oom()); }
  uint64_t event_count(EventKind kind) const { return counter.events(static_cast<unsigned>(kind)); }

  // Both effective protections against reclaim on behalf of `top` (an ancestor or itself: then
  // nothing is protected). Time in proportion to the siblings on the way. In a read section.
  struct Protection {
    uint64_t min, low;
  };
  Protection protection_from(const Tenant& top) const;

  // --- Fields. Single atomic steps change every field that is not said to be under tenants_mutex.
  [[no_unique_address]] PageCounter counter;  // First: of().

  // The tree. Written under tenants_mutex (stores release), read in read sections (loads acquire).
  // A tenant that leaves the list keeps its `next_sibling`, so that a reader standing on it finds
  // its way.
  std::atomic<Tenant*> first_child{nullptr};
  std::atomic<Tenant*> next_sibling{nullptr};
  union {
    Tenant* previous_sibling = nullptr;  // While in the list. Under tenants_mutex.
    DeferredItem item;                   // After that, until gone. Its cookie: tenant_repair.
  };
  std::atomic<Notifier*> notifier{nullptr};  // Set once, under tenants_mutex.
  std::atomic<uint32_t> pins{1};             // At zero, who took it there frees the tenant.
  std::atomic<uint32_t> children{0};         // Online ones. Written under tenants_mutex.
  union {
    char short_name[16] = {};  // Constant, ends with 0.
    char* long_name;           // Constant, where name_length needs it.
  };

  // In one line from here: what an allocation looks at.
  // Where new charges go; nullptr from dying on. Stored with release under tenants_mutex, loaded in
  // read sections.
  std::atomic<AccountingContext*> context{nullptr};
  std::atomic<void*> allocator_data{
      nullptr};  // The allocator's; apart_mark(): nothing yet, and isolated.
  // The allocator's: what a thread inside has as its scope (allocator/slabs/current.h), read as one word.
  alignas(8) std::atomic<uint32_t> front{0};  // Offset of the tenant's front
  // Constant. Where the tenant lies, in kPlaceBits bits, and a generation; the root's is 0.
  uint32_t number = 0;
  TenantId tenant_id{kRootTenant};                       // Constant; the root's is 0.
  std::atomic<TenantState> state{TenantState::kOnline};  // Written under tenants_mutex.
  uint8_t depth = 0;                                     // Constant; the root's is 0.
  uint8_t name_length = 0;                               // Constant.
  std::atomic<uint32_t> flags{0};                        // k...Tenant; constant after creation.
  std::atomic<uint32_t> tag{0};      // Number of `context`; 0: none. Stored after it, with release.
  std::atomic<uint64_t> caching{0};  // The allocator's: caching_tenants.h.
  // The API's: handles that the program has not closed, each of them a pin; and, at the hardened level, scopes that it has not
  // left.
  std::atomic<uint32_t> handles{0};
  std::atomic<uint32_t> inside{0};
  ContextList contexts;  // Under tenants_mutex.
};

static_assert(live::kEvents == kEventKinds && live::kPolicies == kPolicies);
static_assert(sizeof(Tenant) == 256);
static_assert(__builtin_offsetof(Tenant, counter) == 0);
static_assert(__builtin_offsetof(Tenant, context) / 64 == __builtin_offsetof(Tenant, flags) / 64);

// Gives back the memory of one that nobody has seen, or has any more.
void free_tenant(Tenant& tenant);

inline bool is_isolated(const Tenant& tenant) {
  return tenant.flags.load(std::memory_order_relaxed) & kIsolatedTenant;
}

// A handle that a callback has while it runs, beside those that the program keeps.
class LentHandle {
public:
  explicit LentHandle(Tenant& tenant) : tenant_(tenant) {
    tenant_.handles.fetch_add(1, std::memory_order_relaxed);
  }
  ~LentHandle() { tenant_.handles.fetch_sub(1, std::memory_order_relaxed); }
  LentHandle(const LentHandle&) = delete;
  LentHandle& operator=(const LentHandle&) = delete;

private:
  Tenant& tenant_;
};

// Exists before anything has run and for ever.
extern constinit Tenant root_tenant;

// Names the process, at bootstrap; "": it has no name, and the root's path is "/".
void name_root(const char* name);

// The tenant that a failed creation leaves: no memory is ever charged to it, so every request inside fails. It has no
// parent, no context and no id that an array is indexed by; find_cache() and hold_context() refuse it. Durable, so that a thread
// made inside stays inside. It has a number of its own for scopes, which no place in the metadata arena has.
constexpr uint32_t kNobodysNumber = UINT32_MAX;
extern constinit Tenant nobody;

}  // namespace tenure
