// The helper thread in programs that use tenants: each scenario in a process of its own that asks for one, or does not.

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <thread>
#include <vector>

#include "tests/blackbox/support/child.h"
#include "tests/blackbox/support/clock.h"
#include "tests/blackbox/support/memory.h"
#include "tests/tenants/helper/tasks.h"
#include "tests/tenants/stress/threads.h"
#include "tests/tenants/support/tenant.h"

namespace blackbox {
namespace {

constexpr double kLongest = 60;  // For what takes some milliseconds.

struct tenure_stats heap_stats() {
  struct tenure_stats stats = {};
  stats.struct_size = sizeof stats;
  REQUIRE(tenure_stats(&stats) == 0, "no statistics");
  return stats;
}

template <typename Condition>
void wait_until(Condition condition, const char* what) {
  for (const Deadline end(scaled(kLongest)); !condition();) {
    REQUIRE(!end.passed(), "%s", what);
    sleep_seconds(0.002);
  }
}

void require_helper() {
  wait_until([] { return count_tasks().helpers == 1; }, "no thread has the helper's name");
  const Tasks tasks = count_tasks();
  REQUIRE(tasks.all == 2, "%zu threads", tasks.all);
  for (int signal : {SIGTERM, SIGUSR1, SIGPROF, SIGCHLD, SIGRTMIN})
    REQUIRE((tasks.blocked >> (signal - 1) & 1) != 0, "signal %d is not blocked", signal);
}

void require_single() { REQUIRE(count_tasks().all == 1, "%zu threads", count_tasks().all); }

// Objects of tenants that are gone; so many that each had caches of its own.
struct Left {
  static constexpr size_t kTenants = 16, kEach = 64;
  void* objects[kTenants][kEach];

  Left() {
    for (auto& own : objects) {
      Tenant tenant("leaves");
      for (void*& object : own) {
        object = tenure_malloc(tenant, 5000);
        REQUIRE(object != nullptr, "no memory");
      }
      tenant.offline();
    }
  }
  ~Left() {
    for (auto& own : objects)
      for (void* object : own) free(object);
  }
  Left(const Left&) = delete;
  Left& operator=(const Left&) = delete;
};

void leave_and_free() { const Left left; }

// What departed tenants had goes when their last objects do, with no control operation to see to it.
void require_cleaned_up() {
  leave_and_free();  // What stays for good is there from now on.
  REQUIRE(tenure_reap() == 0, "something is left");
  const size_t before = heap_stats().meta;
  size_t most = 0;
  {
    const Left left;
    REQUIRE(dead_tenants().count == Left::kTenants, "%zu dead", dead_tenants().count);
    // A little may be somebody else's.
    most = before + (heap_stats().meta - before) / 10;
  }
  wait_until([most] { return heap_stats().meta <= most; }, "nobody has cleaned up");
  REQUIRE(dead_tenants().count == 0, "%zu dead", dead_tenants().count);
}

void run_departed() {
  require_helper();
  require_cleaned_up();
  require_no_tenants();
}

// The heap is the checker's while the helper empties all fronts and depots, turn by turn.
void run_checked() {
  const Tenant tenant("tenant");
  std::vector<void*> objects(100);
  for (const Deadline end(scaled(1)); !end.passed();) {
    for (size_t size = 16; size <= 4096; size += size / 2) {
      for (void*& object : objects) object = malloc(size);
      for (void* object : objects) free(object);
    }
    require_valid_heap();
  }
}

// The child of a process that has a helper has none, until it needs one.
void run_fork() {
  Tenant durable("durable", nullptr, TENURE_DURABLE);
  require_helper();
  for (int i = 0; i < 5; ++i) {
    in_child([&durable] {
      require_single();
      const Inside inside(durable);
      require_cleaned_up();
      require_helper();
    });
  }
}

// The first control operations of several threads at once.
void run_at_once() {
  for (int i = 0; i < 30; ++i) {
    in_child([] {
      constexpr int kThreads = 4;
      std::atomic<int> ready{0};
      std::vector<std::thread> threads;
      for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([t, &ready] {
          for (++ready; ready < kThreads;) {
          }
          Tenant tenant(std::to_string(t));
        });
      }
      for (std::thread& thread : threads) thread.join();
      wait_until([] { return count_tasks().all <= 2; }, "more than one helper");
      require_helper();
    });
  }
}

rlimit limit_address_space(rlim_t bytes) {
  rlimit before;
  REQUIRE(getrlimit(RLIMIT_AS, &before) == 0, "%s", strerror(errno));
  const rlimit now = {bytes, before.rlim_max};
  REQUIRE(setrlimit(RLIMIT_AS, &now) == 0, "%s", strerror(errno));
  return before;
}

// A thread that needs no memory for its stack.
class OwnThread {
public:
  OwnThread() {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, stack_, sizeof stack_);
    const int error = pthread_create(&thread_, &attributes, wait_for_end, &end_);
    REQUIRE(error == 0, "%s", strerror(error));
  }
  ~OwnThread() {
    end_ = true;
    pthread_join(thread_, nullptr);
  }
  OwnThread(const OwnThread&) = delete;
  OwnThread& operator=(const OwnThread&) = delete;

private:
  static void* wait_for_end(void* end) {
    while (!*static_cast<std::atomic<bool>*>(end)) sleep_seconds(0.001);
    return nullptr;
  }
  static inline char stack_[256 * 1024] __attribute__((aligned(4096)));
  std::atomic<bool> end_{false};
  pthread_t thread_;
};

// Without room for the helper's stack nothing else fails, and a later operation tries again. The helper is nobody's but the
// root's, whoever it was who needed it.
void run_no_room() {
  {
    std::vector<void*> blocks(4000);  // The heap has what the rest of this needs.
    for (void*& block : blocks) block = malloc(5000);
    for (void* block : blocks) free(block);
  }
  // The first limit has the heap give back what it had reserved. There is room for metadata, and less than a stack.
  constexpr rlim_t kRoom = 192 * 1024;
  const rlimit before = limit_address_space(proc_field("/proc/self/status", "VmSize:"));
  limit_address_space(proc_field("/proc/self/status", "VmSize:") + kRoom);
  const OwnThread thread;
  errno = EDOM;
  Tenant tenant("tenant", nullptr, TENURE_DURABLE);
  REQUIRE(errno == EDOM, "%s", strerror(errno));
  REQUIRE(count_tasks().helpers == 0, "there is a helper");
  limit_address_space(before.rlim_cur);
  {
    const Inside inside(tenant);
    const Tenant child("child", tenant);
    REQUIRE(tenant.usage() == 0, "%zu bytes", tenant.usage());
  }
  wait_until([] { return count_tasks().helpers == 1; }, "no thread has the helper's name");
  require_cleaned_up();
}

// Free memory of a process that has fallen idle goes back to the system.
void run_idle() {
  Tenant tenant("tenant");
  std::vector<void*> objects;
  for (int i = 0; i < 400; ++i) objects.push_back(memset(tenure_malloc(tenant, 20000), 1, 20000));
  for (void* object : objects) free(object);
  wait_until([] { return heap_stats().purged > 0; }, "idle memory stays");
  wait_until([] { return heap_stats().resident_estimate < 2 * kMiB; }, "much idle memory stays");
}

// A tenant that stays above high: its free objects are given back while its threads do nothing, though no charge crosses high again.
void run_above_high() {
  Tenant tenant("above", nullptr, TENURE_ISOLATED);
  tenant.limit(TENURE_HIGH, kMiB);
  std::vector<void*> objects(16000);
  for (void*& object : objects) object = tenure_malloc(tenant, 500);
  const size_t kept = objects.size() / 4;
  for (size_t i = kept; i < objects.size(); ++i) free(objects[i]);
  wait_until([&] { return tenant.stats().cached < 64 * kKiB; }, "a tenant above high keeps caches");
  REQUIRE(tenant.usage() > kMiB, "%zu bytes", tenant.usage());
  for (size_t i = 0; i < kept; ++i) free(objects[i]);
}

void run_without() {
  leave_and_free();
  tenure_reap();
  require_single();
}

void run_no_tenants() {
  free(malloc(100));
  free(malloc(kMiB));
  tenure_checkpoint();
  tenure_reclaim(tenure_root(), SIZE_MAX);
  tenure_reap();
  tenure_tenant* handle = nullptr;
  REQUIRE(tenure_tenant_create(tenure_root(), "/", 0, &handle) == -EINVAL, "created");
  REQUIRE(tenure_tenant_offline(tenure_root(), 0) == -EINVAL, "the root went");
  require_single();
}

struct Scenario {
  const char* name;
  const char* mode;
  const char* decay;
  void (*run)();
};
constexpr Scenario scenarios[] = {
    // Without decay, so that nothing else gives metadata back.
    {"departed", "on", "-1", run_departed},       {"fork", "on", "-1", run_fork},
    {"checked", "on", "1", run_checked},          {"at_once", "on", "1000", run_at_once},
    {"no_room", "auto", "-1", run_no_room},       {"idle", "on", "20", run_idle},
    {"without", "off", "1000", run_without},      {"bad", "soon", "1000", run_without},
    {"no_tenants", "auto", "20", run_no_tenants}, {"above_high", "on", "-1", run_above_high},
};

void run_all() {
  for (const Scenario& scenario : scenarios) {
    ChildOptions options;
    options.environment = {std::string("TENURE_HELPER=") + scenario.mode,
                           std::string("TENURE_DECAY_MS=") + scenario.decay};
    const ChildResult result = run_self({scenario.name}, options);
    REQUIRE(result.exited(0), "%s: %s", scenario.name, result.describe().c_str());
  }
  unsetenv("TENURE_HELPER");
  const ChildResult result = run_self({"without"});
  REQUIRE(result.exited(0), "by default: %s", result.describe().c_str());
}

}  // namespace
}  // namespace blackbox

int main(int count, char** arguments) {
  using namespace blackbox;
  if (count == 1) {
    run_all();
    return 0;
  }
  for (const Scenario& scenario : scenarios) {
    if (std::string(arguments[1]) == scenario.name) scenario.run();
  }
}
