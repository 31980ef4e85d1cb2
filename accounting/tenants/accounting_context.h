// Accounting context: a small object that slabs, large runs and owner tags point to instead of their tenant. A context outlives its tenant,
// and points, under RCU, to the tenant that pays now. Reparenting a tenant repoints its contexts, not its objects.
//
// Source of the idea: the memcg patches "reparent kmem context on memcg offline" (2014) and
// obj_cgroup (Linux 5.9).
//
// The invariants, on which tests/model/tenants.pml is the machine-checked argument:
//  I1. A successful charge of n bytes adds n to one context's `held` and to the usage of the tenant
//      the context then points to and of its ancestors. Its uncharge takes n from the same context,
//      and from the tenant the context points to at *that* time and its ancestors.
//  I2. The tenant pointer moves only up: to the parent, by reparent(), under tenants_mutex. A thread
//      that uncharges has received the memory from the thread that charged, so it reads the same
//      pointer or a later one: the counters that it decrements are a suffix of those that were
//      incremented. No counter falls below the bytes that it holds, and an online tenant's is exact.
//      Only counters of offline tenants keep wrong values, and no thread reads those any more. So
//      reparenting moves no usage (the ancestors have it already), and there is no window in which an
//      uncharge could hit an emptied counter.
//  I3. Reading the pointer and using the counters happens in one read section. A tenant is freed
//      only after a grace period that starts after its contexts were repointed, so the counters are
//      there. Ancestors are kept by their children.
//  I4. A context with held bytes or pins is in its tenant's list. At zero it is dead for ever:
//      hold() and pin() refuse. Only the thread that took it to zero puts it on the dead stack. A
//      control operation unlinks it and frees it after a grace period.
#pragma once

#include <atomic>
#include <cstdint>

#include "rcu/deferred.h"

namespace tenure {

struct Tenant;

// Bytes charged through a context and the pins on it: one word, pure transitions.
struct HoldWord {
  uint64_t word = 0;

  static constexpr unsigned kPinShift = 48;  // 256 TiB of charges, 65535 pins.
  static constexpr uint64_t kOnePin = 1ULL << kPinShift;

  uint64_t held() const { return word & (kOnePin - 1); }
  uint64_t pins() const { return word >> kPinShift; }
  bool dead() const { return word == 0; }
};

class alignas(64) AccountingContext {
public:
  // A context with one pin, the tenant's own. nullptr if the table is exhausted (context_table.h).
  static AccountingContext* create(Tenant* tenant);

  // Adds `bytes` (> 0) to the held bytes. False if the context is dead. In a read section, or while the context holds bytes.
  bool hold(uint64_t bytes);
  // Subtracts the bytes. At zero, the caller pushes the context onto the dead stack. In a read section.
  void drop(uint64_t bytes) { remove(bytes); }
  // Keeps the context without a charge. False if it is dead (or has 65535 pins).
  bool pin();
  void unpin() { remove(HoldWord::kOnePin); }

  // The paying tenant. In a read section, which also protects the tenant.
  // Acquire: pairs with the release in repoint() and create().
  Tenant* tenant() const { return tenant_.load(std::memory_order_acquire); }
  // Bytes charged through this context.
  uint64_t held() const { return hold_word().held(); }
  HoldWord hold_word() const { return {word_.load(std::memory_order_relaxed)}; }

  // Under tenants_mutex. The context's name is its tenant's at creation, cut to 23 characters; it
  // may be read while the reader has a pin.
  AccountingContext* next() const { return next_; }
  const char* origin_name() const { return origin; }
  uint32_t origin_id() const { return origin_id_; }
  // Whether slabs are charged to the context, as for an isolated tenant, and not only objects.
  bool holds_slabs() const { return holds_slabs_; }

private:
  friend class ContextList;
  void start(Tenant* tenant);
  void remove(uint64_t amount);

  std::atomic<uint64_t> word_{0};         // HoldWord, changed by compare-and-swap or subtraction.
  std::atomic<Tenant*> tenant_{nullptr};  // Written under tenants_mutex, read in read sections.
  AccountingContext* next_ = nullptr;     // Under tenants_mutex: the list is its tenant's.
  AccountingContext* previous_ = nullptr;
  union {
    DeferredItem item;     // Once dead; `next` links the dead stack before.
    char origin[24] = {};  // While alive.
  };
  uint32_t origin_id_ = 0;    // Constant.
  bool holds_slabs_ = false;  // Constant.
};

static_assert(sizeof(AccountingContext) == 64);

// The contexts that point to one tenant: its own and those reparented to it. Under tenants_mutex throughout. Forward links are
// authoritative, and every change of them is one store, so a fork child finds a whole list. repair() rebuilds the rest.
class ContextList {
public:
  constexpr ContextList() = default;

  AccountingContext* first() const { return first_; }
  void add(AccountingContext& context);
  // Repoints every context to `to` and moves it to `target`, `to`'s list. Time in proportion to the
  // contexts.
  void reparent(ContextList& target, Tenant* to);
  // In a fork child: rebuilds a list that was half changed.
  void repair(Tenant* owner);

  // Unlinks dead contexts from their tenants' lists and frees them after a grace period. Under tenants_mutex. Returns their number.
  static size_t reap();
  // In a fork child, right before every list is repaired: forgets the dead stack. repair() finds its members in the lists and frees them.
  // None may be freed twice.
  static void forget_dead();

private:
  void unlink(AccountingContext& context);
  static void release(AccountingContext& context);

  AccountingContext* first_ = nullptr;
};

}  // namespace tenure
