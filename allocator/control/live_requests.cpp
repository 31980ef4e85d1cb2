#include "allocator/hooks.h"

#include <errno.h>

#include "accounting/charge/process_memory.h"
#include "accounting/pressure/pressure.h"
#include "accounting/pressure/reclaim.h"
#include "accounting/pressure/shown_stall.h"
#include "accounting/tenants/own_region.h"
#include "accounting/tenants/tenant_ids.h"
#include "accounting/tenants/tenant_tree.h"
#include "allocator/control/control.h"
#include "allocator/control/dump.h"
#include "allocator/control/profile.h"
#include "allocator/control/statistics.h"
#include "allocator/fronts/charge_stock.h"
#include "allocator/upkeep/reclaim.h"
#include "live/answer_file.h"

namespace tenure {
namespace {

using Asked = live::RequestKind;

struct Answer {
  int result = 0;
  uint64_t value = 0;
};

// The tenant that is meant, pinned, or nullptr. What the request says is compared with what this process knows itself.
Tenant* tenant_in(uint32_t slot, uint32_t generation) {
  if (slot >= live::used_slots() || generation == 0 || live::generation_of(slot) != generation)
    return nullptr;
  grace::ReadSection section;
  Tenant* const tenant = tenant_by_id(TenantId{live::tenant_id_in(slot)});
  if (tenant == nullptr || tenant->counter.shown() != &live::record_in(slot)) return nullptr;
  return tenant->pin() ? tenant : nullptr;
}

template <typename T>
void show(T& field, T value) {
  std::atomic_ref(field).store(value, std::memory_order_relaxed);
}

// Held by contexts that the tenant has from others that have gone.
uint64_t dead_bytes(Tenant& tenant) {
  const AccountingContext* const own = tenant.context.load(std::memory_order_acquire);
  uint64_t known = own ? own->held() : 0;
  for (const Tenant* child = tenant.first_child.load(std::memory_order_acquire); child != nullptr;
       child = child->next_sibling.load(std::memory_order_acquire))
    known += child->counter.usage();
  const uint64_t usage = tenant.counter.usage();
  return usage > known ? usage - known : 0;
}

void look_at_tenant(Tenant& tenant, uint64_t now) {
  const uint32_t number = live::slot_of(tenant.counter.shown());
  if (number == live::kNoSlot) return;
  TenantStatistics statistics;
  collect_tenant_statistics(tenant, statistics);
  live::TenantSlot& slot = live::slot_at(number);
  show(slot.own_bytes, statistics.allocated_bytes);
  show(slot.cached_bytes, statistics.cached_bytes);
  show(slot.meta_bytes, statistics.meta_bytes);
  show(slot.dead_bytes, dead_bytes(tenant));
  std::atomic_ref(slot.looked_us).store(now, std::memory_order_release);
  show_stall(tenant);
}

void look_at_classes(const HeapStatistics& heap) {
  live::ClassTotals* const table = live::class_totals();
  for (uint32_t i = 0; i <= kClassCount; ++i) {
    const ClassStatistics& from = i < kClassCount ? heap.classes[i] : heap.named;
    live::ClassTotals& to = table[i];
    show(to.object_bytes, i < kClassCount ? uint64_t{class_size(i)} : uint64_t{0});
    show(to.slabs, from.slabs);
    show(to.slab_bytes, from.slab_bytes);
    show(to.carved, from.carved);
    show(to.in_slabs, from.in_slabs);
    show(to.in_depot, from.in_depot);
    show(to.in_fronts, from.in_fronts);
  }
}
static_assert(kClassCount + 1 <= live::kClasses);

void look_at_heap(uint64_t now) {
  HeapStatistics heap;
  collect_statistics(heap);
  look_at_classes(heap);
  live::LevelTotals& to = live::level_totals();
  show(to.allocated_bytes, heap.allocated_bytes);
  show(to.cached_bytes, heap.cached_bytes);
  show(to.slab_bytes, heap.slab_bytes);
  show(to.untouched_bytes, heap.untouched_bytes);
  show(to.dirty_bytes, heap.dirty_bytes);
  show(to.held_most_bytes, heap.held_most);
  show(to.committed_bytes, heap.committed_bytes);
  show(to.reserved_bytes, heap.reserved_bytes);
  show(to.meta_bytes, heap.meta_bytes);
  show(to.large_objects, heap.large_objects);
  show(to.large_bytes, heap.large_bytes);
  show(to.front_objects, heap.front_objects);
  show(to.front_bytes, heap.front_bytes);
  show(to.free_objects, heap.free_objects);
  show(to.pressure_reclaims, heap.pressure_reclaims);
  show(to.pressure_returned_bytes, heap.pressure_returned);
  show(to.tenants_online, uint64_t{tenants_online()});
  show(to.classes, uint64_t{kClassCount + 1});
  std::atomic_ref(to.looked_us).store(now, std::memory_order_release);
}

void look_at_all() {
  const uint64_t now = monotonic_us();
  show_process_memory();
  look_at_heap(now);
  for_each_in_subtree(root_tenant, [now](Tenant& tenant) {
    look_at_tenant(tenant, now);
    return true;
  });
}

// Also one that a thread may hold which the library does not know: the dynamic linker's, in whose list a profile finds the mappings.
bool takes_a_lock(Asked kind) {
  return kind == Asked::kReap || kind == Asked::kOffline || kind == Asked::kProfile ||
         kind == Asked::kProfileStart;
}

uint64_t reclaim_here(Tenant& tenant, uint64_t bytes, ServedBy by) {
  if (by == ServedBy::kControl) return reclaim_bytes(tenant, bytes);
  size_t freed = 0;
  for (const ReclaimStage stage : {ReclaimStage::kPurge, ReclaimStage::kReap}) {
    if (freed < bytes) freed += reclaim(tenant, bytes - freed, stage);
  }
  return freed;
}

uint64_t reclaim_what_is_above(Tenant& tenant, ServedBy by) {
  const uint64_t max = tenant.counter.max(), high = tenant.counter.high();
  const uint64_t target = max < high ? max : high;
  empty_stocks(tenant);
  const uint64_t usage = tenant.counter.usage();
  if (usage > target) reclaim_here(tenant, usage - target, by);
  return tenant.counter.usage();
}

// `write` writes the answer to a descriptor, at most so many bytes, and returns 0 or a negative errno.
template <typename Write>
Answer answer_with_file(uint32_t place, Write write) {
  live::AnswerFile file(place);
  int result = file.error();
  if (result == 0) result = write(file.fd(), live::AnswerFile::most_bytes());
  return {result, file.finish(result)};
}

Answer serve_profile(Asked kind, uint64_t mean) {
  const uint64_t before = profile_mean();
  if (kind == Asked::kProfileStop) {
    stop_profile();
    return {0, before};
  }
  if (mean == 0) mean = before != 0 ? before : kUsualMean;
  return {start_profile(mean), before};
}

Answer serve_tenant(const live::Request& request, Tenant& tenant, uint32_t place, ServedBy by) {
  switch (static_cast<Asked>(request.kind)) {
  case Asked::kReclaim:
    return {0, reclaim_here(tenant, request.argument, by)};
  case Asked::kOffline:
    return {offline_tenant(tenant, request.argument == 1 ? kOfflineRecursive : 0)};
  case Asked::kLowered:
    return {0, reclaim_what_is_above(tenant, by)};
  default:  // kDump
    return answer_with_file(place, [&](int fd, uint64_t most) {
      return dump_tenant(tenant, by != ServedBy::kMalloc, fd, most);
    });
  }
}

Answer serve(const live::Request& request, uint32_t place, ServedBy by) {
  const auto kind = static_cast<Asked>(request.kind);
  switch (kind) {
  case Asked::kPing:
    return {};
  case Asked::kLook:
    look_at_all();
    return {};
  case Asked::kTrim:
    return {0, trim_all()};
  case Asked::kReap:
    return {0, reap_all()};
  case Asked::kProfile:
    return answer_with_file(place, [](int fd, uint64_t most) { return dump_profile(fd, most); });
  case Asked::kProfileStart:
  case Asked::kProfileStop:
    return serve_profile(kind, request.argument);
  case Asked::kReclaim:
  case Asked::kOffline:
  case Asked::kLowered:
  case Asked::kDump:
    break;
  default:
    return {-EOPNOTSUPP};
  }
  Tenant* const tenant = tenant_in(request.slot, request.generation);
  if (tenant == nullptr) return {-ESTALE};
  const Answer answer = serve_tenant(request, *tenant, place, by);
  tenant->unpin();
  return answer;
}

}  // namespace

void serve_live_requests(ServedBy by) {
  // As a charge that reclaims: not in the midst of what may be interrupted by a signal handler that allocates.
  if (holds_lock() || grace::in_read_section() || in_reclaim()) return;
  const int saved = errno;
  {
    live::Serving serving;
    if (!serving.is_mine()) return;
    while (const live::Request* request = serving.next()) {
      if (by == ServedBy::kMalloc && takes_a_lock(static_cast<Asked>(request->kind))) {
        serving.leave();
        continue;
      }
      const Answer answer = serve(*request, serving.place(), by);
      if (answer.result == -EAGAIN)
        serving.leave();  // Another thread holds a lock, for which malloc does not wait.
      else
        serving.answer(answer.result, answer.value);
    }
  }
  errno = saved;
}

}  // namespace tenure
