#include "api/tenants/scopes.h"

#include <stdlib.h>
#include <unistd.h>

#include "allocator/slabs/current.h"

namespace tenure {
namespace {

constexpr uint32_t kMarked = 1u << 31;
constexpr unsigned kDepthBits = 11;
constexpr uint32_t kDepthMask = (1u << kDepthBits) - 1;

// The thread-locals of two threads are pages apart. Two threads have the same number if they are 4 GiB apart.
uint32_t this_thread() {
  const auto page = reinterpret_cast<uint64_t>(&tenure::this_thread.scope) >> 12;
  return (static_cast<uint32_t>(page) << kDepthBits) & ~kMarked;
}
uint32_t depth_of(CurrentScope scope) {
  return scope.front & kMarked ? scope.front & kDepthMask : 0;
}
CurrentScope marked(uint32_t depth, uint32_t tenant) {
  return {kMarked | this_thread() | (depth & kDepthMask), tenant};
}

}  // namespace

CurrentScope enter_checked(Tenant& tenant) {
  const CurrentScope outer = load_scope();
  const uint32_t depth = depth_of(outer);
  // Counted before the scope begins, and taken back after its end, so that closing the last handle while a thread is inside is detected.
  // Relaxed: a handle closed at the same instant may be missed.
  tenant.inside.fetch_add(1, std::memory_order_relaxed);
  store_scope(marked(depth + 1, tenant.number));
  return marked(depth, outer.tenant);
}

void leave_checked(CurrentScope outer, const char* call) {
  Tenant& left = current_tenant();
  if (outer.front != marked(outer.front, 0).front)
    report_misused_tenant("scope of another thread", tenant_of(outer), call);
  if (depth_of(outer) != ((depth_of(load_scope()) - 1) & kDepthMask))
    report_misused_tenant("scope left out of order", left, call);
  store_scope(outer);
  left.inside.fetch_sub(1, std::memory_order_relaxed);
}

void report_misused_tenant(const char* what, const Tenant& tenant, const char* call) {
  LineBuffer line;
  line.text("tenure: ").text(what).text(": tenant ");
  tenant.write_path(line);
  line.text(", ").text(call).text("()\n").flush(STDERR_FILENO);
  abort();
}

}  // namespace tenure
