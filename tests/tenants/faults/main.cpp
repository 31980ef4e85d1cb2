// The system refuses the Nth call for memory, or all from the Nth on, while tenants are in use: at
// worst a request fails with ENOMEM, and in the end everything is balanced.

#include <algorithm>
#include <errno.h>
#include <malloc.h>
#include <memory>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/blackbox/support/child.h"
#include "tests/blackbox/support/clock.h"
#include "tests/blackbox/support/parcel.h"
#include "tests/tenants/faults/supervisor.h"
#include "tests/tenants/support/tenant.h"

namespace blackbox {

namespace {

struct Fault {
  const char* name;
  std::vector<int> calls;
  size_t last;  // numbers from 1 to this are tried
};

const Fault faults[] = {
    {"mmap", {SYS_mmap}, 6},
    {"mprotect", {SYS_mprotect}, 40},
    {"madvise", {SYS_madvise}, 30},
    {"membarrier", {SYS_membarrier}, 20},
    {"mremap", {SYS_mremap}, 4},
    {"growth", {SYS_mmap, SYS_mprotect, SYS_mremap, SYS_munmap}, 20},
    {"all", {SYS_mmap, SYS_mprotect, SYS_mremap, SYS_munmap, SYS_madvise, SYS_membarrier}, 30},
};

constexpr size_t kParcels = 400;

tenure_tenant* create(tenure_tenant* parent, int number) {
  char name[32];
  snprintf(name, sizeof name, "t%d", number);
  tenure_tenant* tenant = nullptr;
  const int error =
      tenure_tenant_create(parent, name, number % 3 == 0 ? TENURE_ISOLATED : 0, &tenant);
  REQUIRE(error == 0 || error == -ENOMEM || error == -ENOSPC, "create: %d", error);
  return error == 0 ? tenant : nullptr;
}

// A service's objects on an LRU, with a shrinker. Where there is no memory for them there are fewer.
class Cached {
public:
  Cached() {
    int error = tenure_lru_create(&lru_);
    REQUIRE(error == 0 || error == -ENOMEM, "LRU: %d", error);
    if (lru_ == nullptr) return;
    error = tenure_shrinker_register("faults", count_of, scan_of, 2, this, &shrinker_);
    REQUIRE(error == 0 || error == -ENOMEM, "shrinker: %d", error);
    if (shrinker_ == nullptr) return;
    error = tenure_lru_set_shrinker(lru_, shrinker_);
    REQUIRE(error == 0, "tying: %d", error);
  }
  // Every object is found, on whatever list it ended up.
  ~Cached() {
    if (lru_ == nullptr) return;
    const auto evict = [](tenure_tenant* tenant, void* self) {
      scan_of(tenant, SIZE_MAX, self);
      return 0;
    };
    tenure_tenant_for_each(tenure_root(), evict, this);
    REQUIRE(live_ == 0, "%zu objects are lost", live_);
    if (shrinker_ != nullptr) REQUIRE(tenure_shrinker_unregister(shrinker_) == 0, "in use");
    const int error = tenure_lru_destroy(lru_);
    REQUIRE(error == 0, "destroying the LRU: %d", error);
  }
  void add(tenure_tenant* tenant) {
    if (lru_ == nullptr) return;
    auto* item = static_cast<tenure_lru_item*>(tenure_calloc(tenant, 1, 300));
    if (item == nullptr) return;
    const int error = tenure_lru_add_for(lru_, tenant, item);
    REQUIRE(error == 0 || error == -ENOMEM, "adding: %d", error);
    if (error == 0)
      ++live_;
    else
      free(item);
  }

private:
  static size_t count_of(tenure_tenant* tenant, void* self) {
    return tenure_lru_count(static_cast<Cached*>(self)->lru_, tenant);
  }
  static size_t scan_of(tenure_tenant* tenant, size_t most, void* self) {
    const auto free_item = [](tenure_lru_item* item, void* cached) {
      free(item);
      --static_cast<Cached*>(cached)->live_;
      return TENURE_LRU_REMOVED;
    };
    return tenure_lru_walk(static_cast<Cached*>(self)->lru_, tenant, free_item, self, most);
  }
  tenure_lru* lru_ = nullptr;
  tenure_shrinker* shrinker_ = nullptr;
  size_t live_ = 0;
};

// All operations a few times over, in one thread; the heap grows all the while. Where there are no
// fences any more, what lies in the fronts of other CPUs cannot be had back; nothing else may be
// amiss.
void use_tenants(bool fences_work) {
  static ParcelTable<kParcels> parcels;
  Random random(3);
  tenure_tenant* parent = create(tenure_root(), 1000);
  tenure_cache* cache = nullptr;
  const int error = tenure_cache_create("faults", 200, 0, 0, nullptr, &cache);
  REQUIRE(error == 0 || error == -ENOMEM, "cache: %d", error);
  void* objects[64] = {};
  auto cached = std::make_unique<Cached>();
  for (int round = 0; round < 12; ++round) {
    tenure_tenant* tenant = create(parent, round);
    if (tenant != nullptr && round % 4 == 1) {
      tenure_tenant_set_limit(tenant, TENURE_MAX, 2 * kMiB);
      const int listening = tenure_tenant_set_eventfd(tenant, -1, 0);
      REQUIRE(listening == 0 || listening == -ENOMEM, "eventfd: %d", listening);
    }
    const tenure_scope outer = tenure_enter(tenant);
    for (int i = 0; i < 150; ++i)
      parcels.replace(random, make_parcel(random, random.one_in(30) ? 3 * kMiB : 20000));
    if (cache != nullptr)
      for (void*& object : objects) {
        tenure_cache_free(cache, object);
        object = tenure_cache_alloc(cache);
        if (object != nullptr) memset(object, 1, 200);
      }
    for (int i = 0; i < 20; ++i) cached->add(i % 4 == 0 ? parent : tenant);
    void* block = malloc(5000);
    if (block != nullptr) {
      void* moved = tenure_transfer(parent, block);
      free(moved != nullptr ? moved : block);
    }
    tenure_leave(outer);
    if (round % 3 == 0) malloc_trim(0);
    if (round % 4 == 2) tenure_reclaim(parent, 20000);
    if (tenant != nullptr) {
      const int gone = tenure_tenant_offline(tenant, 0);
      REQUIRE(gone == 0, "offline: %d", gone);
      tenure_tenant_close(tenant);
    }
    if (round % 5 == 0) tenure_reap();
  }
  parcels.clear();
  cached.reset();
  for (void* object : objects) tenure_cache_free(cache, object);
  if (cache != nullptr) {
    size_t live = 0;
    const int destroyed = tenure_cache_destroy(cache, &live);
    REQUIRE(destroyed == 0 || (!fences_work && destroyed == -EBUSY && live == 0),
            "destroy: %d, %zu live", destroyed, live);
  }
  if (parent == nullptr) return;
  const size_t left = settled_usage(parent);
  REQUIRE(left == 0 || !fences_work, "%zu bytes are charged with nothing allocated", left);
  const int gone = tenure_tenant_offline(parent, 0);
  REQUIRE(gone == 0, "offline: %d", gone);
  tenure_tenant_close(parent);
}

// Exit status 1: the calls ended before the fault came.
[[noreturn]] void child(const FaultPlan& plan) {
  alarm(60);
  if (!start_faults(plan)) _exit(kSkipped);
  const bool lasting = plan.count > 1000;
  const bool fences_work = !lasting || std::find(plan.calls.begin(), plan.calls.end(),
                                                 SYS_membarrier) == plan.calls.end();
  use_tenants(fences_work);
  // What was refused once is not refused for ever: all of it works again.
  if (!lasting) use_tenants(true);
  if (fences_work) require_no_tenants();
  require_valid_heap();
  _exit(calls_seen() < plan.first ? 1 : 0);
}

// True if the fault came.
bool try_fault(const Fault& fault, size_t first, size_t count) {
  const pid_t process = fork();
  REQUIRE(process >= 0, "fork: %s", strerror(errno));
  if (process == 0) child({fault.calls, first, count});
  int status = 0;
  REQUIRE(waitpid(process, &status, 0) == process, "waitpid: %s", strerror(errno));
  if (WIFEXITED(status) && WEXITSTATUS(status) == kSkipped) _exit(kSkipped);
  REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) <= 1,
          "%s fails from call %zu on, %zu times: status %#x", fault.name, first, count,
          unsigned(status));
  return WEXITSTATUS(status) == 0;
}

}  // namespace

}  // namespace blackbox

int main(int count, char** arguments) {
  using namespace blackbox;
  // For a look at one: faults NAME FIRST COUNT
  for (const Fault& fault : faults) {
    if (count == 4) {
      if (std::string(arguments[1]) == fault.name)
        try_fault(fault, std::stoul(arguments[2]), std::stoul(arguments[3]));
      continue;
    }
    // Denser at the start, where structures are made; on to where the calls end.
    const size_t last = size_t(scaled(double(fault.last)));
    bool came = true;
    for (size_t first = 1; came && first <= last; first += 1 + first / 12)
      for (size_t times : {size_t(1), size_t(3), SIZE_MAX / 2})
        came = try_fault(fault, first, times) && came;
  }
}
