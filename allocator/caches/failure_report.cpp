#include "allocator/caches/failure_report.h"

#include <errno.h>
#include <unistd.h>

#include "accounting/pressure/reclaim_state.h"
#include "accounting/tenants/own_region.h"
#include "allocator/caches/tenant_heap.h"
#include "allocator/slabs/arena.h"
#include "base/system/clock.h"
#include "base/system/log.h"
#include "live/report_ring.h"
#include "live/request_box.h"

namespace tenure {
namespace {

constexpr uint32_t kIntervalS = 60;
// Of children and of classes.
constexpr unsigned kLargest = 5;
// Children that are looked at: the walk is one of a malloc.
constexpr unsigned kMostChildren = 4096;

constexpr const char* kPolicyWords[kPolicies] = {"fail-large", "fail-all", "observe", "event",
                                                 "abort"};

bool is_wanted() {
  return arena.settings.reports != 0 || live::region_opened.load(std::memory_order_relaxed);
}

// Whether this one is reported. Of several at once, one is.
bool is_due(Tenant& tenant) {
  grace::ReadSection section;
  ReclaimState* const state = tenant.online() ? make_reclaim_state(tenant) : nullptr;
  if (state == nullptr) return false;
  const auto now = static_cast<uint32_t>(monotonic_us() / 1'000'000) + 1;  // 0: never.
  uint32_t last = state->reported_s.load(std::memory_order_relaxed);
  if (last != 0 && now - last < kIntervalS) return false;
  return state->reported_s.compare_exchange_strong(last, now, std::memory_order_relaxed);
}

// Line by line, so that little of the stack is needed.
class Output {
public:
  explicit Output(Tenant& tenant)
      : report_(live::slot_of(tenant.counter.shown()), index_of(tenant.id())) {}
  void line(LineBuffer& text) {
    text.text("\n");
    report_.add(text.data(), text.size());
    if (arena.settings.reports != 0) text.flush(STDERR_FILENO);
    text.clear();
  }

private:
  live::ReportWriter report_;
};

LineBuffer& limit(LineBuffer& line, const char* name, uint64_t bytes) {
  line.text(name);
  return bytes == kUnlimited ? line.text("none") : line.decimal(bytes);
}

// The largest of what is offered, largest first.
template <typename T>
class Largest {
public:
  void offer(uint64_t bytes, T what) {
    for (unsigned i = 0; i < kLargest; ++i) {
      if (bytes <= bytes_[i]) continue;
      for (unsigned k = kLargest - 1; k > i; --k)
        bytes_[k] = bytes_[k - 1], what_[k] = what_[k - 1];
      bytes_[i] = bytes;
      what_[i] = what;
      return;
    }
  }
  template <typename Fn>
  void for_each(Fn fn) const {
    for (unsigned i = 0; i < kLargest && bytes_[i] != 0; ++i) fn(bytes_[i], what_[i]);
  }

private:
  uint64_t bytes_[kLargest] = {};
  T what_[kLargest] = {};
};

void write_tree(Output& output, Tenant& tenant) {
  LineBuffer line;
  for (const Tenant* t = &tenant; t->parent() != nullptr; t = t->parent()) {
    t->write_path(line.text("tenure:   "));
    const UsageWord now{t->counter.usage(), ~t->counter.max()};
    limit(line.text(": usage ").decimal(now.usage), ", max ", now.max());
    limit(line, ", high ", t->counter.high()).text(", peak ").decimal(t->counter.peak());
    output.line(line);
  }
  Largest<const Tenant*> children;
  unsigned looked_at = 0;
  for (const Tenant* child = tenant.first_child.load(std::memory_order_acquire);
       child != nullptr && looked_at < kMostChildren;
       child = child->next_sibling.load(std::memory_order_acquire), ++looked_at)
    children.offer(child->counter.usage(), child);
  children.for_each([&](uint64_t bytes, const Tenant* child) {
    child->write_path(line.text("tenure:   below: "));
    output.line(line.text(": usage ").decimal(bytes));
  });
}

void write_classes(Output& output, Tenant& tenant) {
  Largest<uint32_t> classes;
  for_each_cache_of(tenant, [&classes](const Cache& cache) {
    const uint64_t slabs = cache.slabs.load(std::memory_order_relaxed);
    classes.offer(slabs * cache.granules * kGranuleSize, cache.object_size);
  });
  LineBuffer line;
  classes.for_each([&](uint64_t bytes, uint32_t object) {
    line.text("tenure:   objects of ").decimal(object).text(" bytes: ");
    output.line(line.decimal(bytes).text(" in slabs of its own"));
  });
}

}  // namespace

void report_failure(Tenant& tenant, const Refusal& refusal) {
  if (!is_wanted() || !is_due(tenant)) return;
  const int saved = errno;
  {
    grace::ReadSection section;
    Output output(tenant);
    LineBuffer line;
    tenant.write_path(line.text("tenure: refused: ").decimal(refusal.bytes).text(" bytes at "));
    line.text(", policy ").text(kPolicyWords[static_cast<unsigned>(tenant.policy())]);
    line.text("; tried: caches given up, shrinkers asked ").decimal(refusal.shrinks).text(" times");
    output.line(line);
    write_tree(output, tenant);
    write_classes(output, tenant);
  }
  errno = saved;
}

}  // namespace tenure
