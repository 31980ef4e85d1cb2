// Room accounting/tenants: the tenant tree and its bytes. It calls base and rcu, and what accounting/hooks.h names. It promises
// that every counter is exact at every instant, and that lookups take no lock.
//
// A tenant: a node of the tree to which memory is charged. This header has its fields and the operations on one tenant. The tree is in
// accounting/tenants/tenant_tree.
//
// Life: online (from create_tenant) -> dying (offline_tenant; no new charges, its contexts go to the parent) -> gone (a grace period later;
// its id is free for others). The memory stays while the tenant is pinned:
//   - one pin is the tree's, from creation until it is gone;
//   - one is the creator's, and each of find_tenant()'s and pin()'s callers': a handle is good
//     until unpinned, also after offline; a thread inside the tenant relies on such a handle;
//   - one for each child that has pins, so that every ancestor of a valid tenant is valid.
// Without pins the memory is kept for a while, because a program may use it by mistake (departed_tenants.h). Unpinned pointers (from lists,
// tables, contexts) are good in a read section. At rest a tenant costs 256 bytes, its context 64, a name of more than 15 bytes 64.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "accounting/counters/page_counter.h"
#include "accounting/counters/policy.h"
#include "accounting/tenants/accounting_context.h"
#include "accounting/tenants/event_kind.h"
#include "base/system/log.h"
#include "base/threads/lock.h"
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

// The only lock of control operations: creation, offline, lists, handlers. No malloc or free takes it. docs/locks.md
extern constinit Mutex tenants_mutex;

// Tenant::allocator_data of an isolated tenant from its creation on, so that one test identifies the tenants that share slabs.
inline void* apart_mark() { return reinterpret_cast<void*>(uintptr_t{1}); }

struct alignas(64) Tenant {
  constexpr Tenant() = default;
  constexpr explicit Tenant(uint32_t its_front) : front(its_front) {}
  // For nobody.
  constexpr Tenant(uint32_t its_number, TenantId its_id, uint32_t its_flags)
      : number(its_number), tenant_id(its_id), flags(its_flags) {}
  Tenant(const Tenant&) = delete;
  Tenant& operator=(const Tenant&) = delete;

  // The tenant that contains the counter.
  static Tenant& of(PageCounter& counter) { return reinterpret_cast<Tenant&>(counter); }
  static const Tenant& of(const PageCounter& counter) {
    return reinterpret_cast<const Tenant&>(counter);
  }

  // nullptr for the root. Valid as long as this tenant is.
  Tenant* parent() const { return reinterpret_cast<Tenant*>(counter.parent()); }
  TenantId id() const { return tenant_id; }
  const char* name() const;
  // Appends "/shop/acme"; "/" for the root. If the root has a name, the path begins with it: "/process", "/process/shop/acme".
  void write_path(LineBuffer& line) const;
  // The same into `size` bytes, ended by 0 and cut if necessary. Returns the whole length.
  size_t copy_path(char* buffer, size_t size) const;

  // Acquire: pairs with the release in offline. A thread that sees a later state sees the steps that led to it.
  TenantState current_state() const { return state.load(std::memory_order_acquire); }
  bool online() const { return current_state() == TenantState::kOnline; }
  // The tenant itself while it is online, else the nearest online ancestor. A thread still inside works for that tenant, and its id indexes
  // every per-tenant array. With a pin or in a read section; lock-free; async-signal-safe.
  Tenant& nearest_online() {
    Tenant* tenant = this;
    while (!tenant->online()) tenant = tenant->parent();  // The root is always online.
    return *tenant;
  }

  // Keeps the memory. False if it has no pins left (then only a read section keeps it). unpin() may free it. The root and nobody always
  // stay.
  bool pin();
  void unpin();
  // Pins the tenant, or, if it has no pins left, the nearest ancestor with pins. In a read section, or with a pin.
  Tenant& pin_nearest() {
    Tenant* tenant = this;
    while (!tenant->pin()) tenant = tenant->parent();
    return *tenant;
  }
  // The bytes of the structure itself.
  size_t metadata_bytes() const;

  // Under tenants_mutex. nullptr: none from now on.
  void set_context(AccountingContext* charged);
  // Changes the limit at once. The caller then reclaims the excess of the return value (usage) over the limit. Lock-free.
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

  // --- Fields. Single atomic steps change every field, unless its comment says that it is under tenants_mutex.
  [[no_unique_address]] PageCounter counter;  // First: of().

  // The tree. Written under tenants_mutex (stores release), read in read sections (loads acquire). A tenant that leaves the list keeps its
  // `next_sibling`, so that a reader at that tenant can go on.
  std::atomic<Tenant*> first_child{nullptr};
  std::atomic<Tenant*> next_sibling{nullptr};
  union {
    Tenant* previous_sibling = nullptr;  // While in the list. Under tenants_mutex.
    DeferredItem item;                   // After that, until gone. Its cookie: tenant_repair.
  };
  std::atomic<Notifier*> notifier{nullptr};  // Set once, under tenants_mutex.
  std::atomic<uint32_t> pins{1};             // The thread that takes it to zero frees the tenant.
  std::atomic<uint32_t> children{0};         // Online ones. Written under tenants_mutex.
  union {
    char short_name[16] = {};  // Constant, ends with 0.
    char* long_name;           // Constant, where name_length needs it.
  };

  // The fields that an allocation reads are in one cache line from here. The context for new charges; nullptr from dying on. Stored with
  // release under tenants_mutex, loaded in read sections.
  std::atomic<AccountingContext*> context{nullptr};
  std::atomic<void*> allocator_data{
      nullptr};  // The allocator's; apart_mark(): nothing yet, and isolated.
  // The allocator's: the scope of a thread inside (allocator/slabs/current.h), read as one word.
  alignas(8) std::atomic<uint32_t> front{0};  // Offset of the tenant's front
  // Constant. The tenant's place, in kPlaceBits bits, and a generation; the root's is 0.
  uint32_t number = 0;
  TenantId tenant_id{kRootTenant};                       // Constant; the root's is 0.
  std::atomic<TenantState> state{TenantState::kOnline};  // Written under tenants_mutex.
  uint8_t depth = 0;                                     // Constant; the root's is 0.
  uint8_t name_length = 0;                               // Constant.
  std::atomic<uint32_t> flags{0};                        // k...Tenant; constant after creation.
  std::atomic<uint32_t> tag{0};      // Number of `context`; 0: none. Stored after it, with release.
  std::atomic<uint64_t> caching{0};  // The allocator's: caching_tenants.h.
  // The API's: handles that the program has not closed, each of which has a pin; and, at the hardened level, scopes that it has not left.
  std::atomic<uint32_t> handles{0};
  std::atomic<uint32_t> inside{0};
  ContextList contexts;  // Under tenants_mutex.
};

static_assert(live::kEvents == kEventKinds && live::kPolicies == kPolicies);
static_assert(sizeof(Tenant) == 256);
static_assert(__builtin_offsetof(Tenant, counter) == 0);
static_assert(__builtin_offsetof(Tenant, context) / 64 == __builtin_offsetof(Tenant, flags) / 64);

// Frees a tenant that no other thread has seen, or that no thread can reach any more.
void free_tenant(Tenant& tenant);

inline bool is_isolated(const Tenant& tenant) {
  return tenant.flags.load(std::memory_order_relaxed) & kIsolatedTenant;
}

// A handle for a callback while it runs, beside the program's own handles.
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

// Exists before any code has run, and for ever.
extern constinit Tenant root_tenant;

// Names the process, at bootstrap. "": no name; the root's path is "/".
void name_root(const char* name);

// The tenant that a failed creation leaves: no memory is ever charged to it, so every request inside fails. It has no parent, no context
// and no id that indexes an array; find_cache() and hold_context() refuse it. It is durable, so that a thread made inside stays inside. Its
// number for scopes differs from the number of every place in the metadata arena.
constexpr uint32_t kNobodysNumber = UINT32_MAX;
extern constinit Tenant nobody;

}  // namespace tenure
