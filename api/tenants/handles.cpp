#include "api/tenants/handles.h"

#include "allocator/slabs/current.h"
#include "api/process/lifecycle.h"
#include "api/tenants/scopes.h"

namespace tenure {

// Handles are counted beside the pins, because the tree, objects and children also hold pins. Relaxed throughout: the pin keeps the tenant.
// A program that closes a handle on one thread while another thread uses the handle has a bug of its own.

struct ::tenure_tenant* give_handle(Tenant& pinned) {
  pinned.handles.fetch_add(1, std::memory_order_relaxed);
  return handle_of(pinned);
}

void close_handle(Tenant& tenant, const char* call) {
  if (tenant.parent() == nullptr) return;
  uint32_t open = tenant.handles.load(std::memory_order_relaxed);
  do {
    if (open == 0) {
      if (arena.hardened) report_misused_tenant("handle closed twice", tenant, call);
      return;
    }
    // In the child of a fork no thread leaves the scopes of vanished threads.
    if (open == 1 && tenant.inside.load(std::memory_order_relaxed) != 0 && !threads_lost_in_fork())
      report_misused_tenant("handle closed while a thread is inside", tenant, call);
  } while (!tenant.handles.compare_exchange_weak(open, open - 1, std::memory_order_relaxed));
  tenant.unpin();
}

void check_handle(struct ::tenure_tenant* handle, const char* call) {
  const Tenant& tenant = tenant_of(handle);
  if (tenant.parent() == nullptr || tenant.handles.load(std::memory_order_relaxed) != 0 ||
      tenant.inside.load(std::memory_order_relaxed) != 0 || &tenant == &current_tenant())
    return;
  report_misused_tenant("handle used after it was closed", tenant, call);
}

}  // namespace tenure
