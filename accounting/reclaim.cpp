#include "accounting/reclaim.h"

#include "accounting/tenant.h"
#include "base/check.h"

namespace tenure {
namespace {

constinit ReclaimHooks registered;  // Constant after bootstrap.

// Whether this thread is in a hook. A signal handler leaves it as it found it.
thread_local constinit bool reclaiming __attribute__((tls_model("initial-exec"))) = false;

}  // namespace

void register_reclaim_hooks(const ReclaimHooks& hooks) { registered = hooks; }

size_t reclaim(Tenant& top, size_t bytes, ReclaimStage stage) {
  const auto hook = stage == ReclaimStage::kPurge ? registered.purge_caches : registered.shrink;
  if (hook == nullptr || reclaiming) return 0;
  TENURE_ASSERT(!grace::in_read_section());
  reclaiming = true;
  const size_t freed = hook(top, bytes);
  reclaiming = false;
  return freed;
}

size_t reclaim_to(Tenant& top, size_t target) {
  size_t total = 0;
  for (ReclaimStage stage : kReclaimStages) {
    for (;;) {
      const uint64_t usage = top.counter.usage();
      if (usage <= target) return total;
      const size_t freed = reclaim(top, usage - target, stage);
      if (freed == 0) break;
      total += freed;
    }
  }
  return total;
}

}  // namespace tenure
