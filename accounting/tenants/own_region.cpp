#include "accounting/tenants/own_region.h"

#include <signal.h>

#include "accounting/tenants/tenant_links.h"
#include "base/system/sandbox.h"
#include "base/system/system_calls.h"
#include "base/system/wait.h"
#include "rcu/grace.h"

namespace tenure {
namespace {

uint32_t slot_of(const Tenant& tenant) { return live::slot_of(tenant.counter.shown()); }

live::Identity identity_of(const Tenant& tenant) {
  const Tenant* const parent = tenant.parent();
  return {index_of(tenant.id()), parent ? slot_of(*parent) : 0,
          tenant.depth,          tenant.flags.load(std::memory_order_relaxed),
          tenant.name(),         tenant.name_length};
}

// No handler may use counters between two maps of the region. (Usual filters of system calls let this call pass; but see
// base/system/sandbox.h.)
class SignalsBlocked {
public:
  SignalsBlocked() {
    if (!blocked_) return;
    uint64_t all = ~uint64_t{0};
    sys::change_signal_mask(SIG_BLOCK, &all, &before_);
  }
  ~SignalsBlocked() {
    if (blocked_) sys::change_signal_mask(SIG_SETMASK, &before_, nullptr);
  }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

private:
  const bool blocked_ = !is_filtered();
  uint64_t before_ = 0;
};

template <typename Fn>
void for_each_in_tree(Tenant& tenant, Fn fn) {
  fn(tenant);
  for (Tenant* child = tenant.first_child.load(std::memory_order_relaxed); child != nullptr;
       child = child->next_sibling.load(std::memory_order_relaxed))
    for_each_in_tree(*child, fn);
}

void take_file() {
  for_each_in_tree(root_tenant, [](Tenant& tenant) {
    const uint32_t slot = slot_of(tenant);
    if (slot != live::kNoSlot && !live::restore_slot(slot, identity_of(tenant)))
      tenant.counter.restore_limits();
  });
}

void do_without() {
  for_each_in_tree(root_tenant, [](Tenant& tenant) { tenant.counter.come_home(); });
  live::leave_region();
}

void take_region() {
  const grace::ReadSection section;
  const bool moved = live::move_region();
  if (moved) {
    take_file();
  } else {
    do_without();
  }
  mend_counters(root_tenant);
  if (moved) live::publish_region();
}

}  // namespace

// One thread takes the region, usually the child's only one, because pthread_create() calls this first.
void take_own_region() {
  const SignalsBlocked blocked;
  std::atomic<uint32_t>& word = *live::ownership.load(std::memory_order_relaxed);
  for (unsigned looks = 0;; wait_before_look(looks++)) {
    uint32_t seen = word.load(std::memory_order_acquire);
    if (seen == live::kOurs) return;
    if (seen == live::kMoving) continue;
    const bool inside = grace::in_read_section();
    if (seen == live::kToMend && inside) return;
    if (!word.compare_exchange_strong(seen, live::kMoving, std::memory_order_acq_rel)) continue;
    if (seen == live::kParents) {
      take_region();
    } else {
      mend_counters(root_tenant);
    }
    word.store(seen == live::kParents && inside ? live::kToMend : live::kOurs,
               std::memory_order_release);
    return;
  }
}

void show_tenant(Tenant& tenant) {
  const uint32_t slot = live::take_slot(identity_of(tenant));
  if (slot != live::kNoSlot) tenant.counter.lie_in(&live::record_in(slot));
}

void show_state(Tenant& tenant, live::SlotState state) {
  ensure_own_counters();
  const uint32_t slot = slot_of(tenant);
  if (slot != live::kNoSlot) live::set_slot_state(slot, state);
}

void hide_tenant(Tenant& tenant) {
  ensure_own_counters();
  const uint32_t slot = slot_of(tenant);
  if (slot == live::kNoSlot) return;
  tenant.counter.come_home();
  live::release_slot(slot);
}

namespace {

uint64_t limit_of(const Tenant& tenant, live::EventKind kind) {
  switch (kind) {
  case live::EventKind::kLow:
    return tenant.counter.low();
  case live::EventKind::kHigh:
    return tenant.counter.high();
  default:
    return tenant.counter.max();
  }
}

}  // namespace

void show_event(Tenant& tenant, live::EventKind kind, uint64_t bytes) {
  ensure_own_counters();
  const uint32_t slot = slot_of(tenant);
  if (slot == live::kNoSlot) return;
  live::show_event(kind, slot, index_of(tenant.id()),
                   {tenant.counter.usage(), limit_of(tenant, kind), bytes, 0});
}

void open_live_region(LiveMode mode, uint32_t flags, const char* version) {
  MutexGuard guard(tenants_mutex);
  // Charges to the root have begun: too late.
  if (root_tenant.context.load(std::memory_order_relaxed) != nullptr) return;
  live::open_region(mode, flags, version);
  if (!live::is_open()) return;
  show_tenant(root_tenant);
  root_tenant.counter.restore_limits();  // The limits of the process, which were set before.
  show_state(root_tenant, live::SlotState::kOnline);
}

}  // namespace tenure
