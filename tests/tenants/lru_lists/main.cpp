// Lists by NUMA node, or as many as TENURE_LRU_LISTS says: a tenant at its limit lives on what lies on all of them.
#include <algorithm>
#include <errno.h>
#include <fstream>
#include <sched.h>
#include <string.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include "tests/blackbox/support/child.h"
#include "tests/tenants/support/evictable.h"

namespace blackbox {
namespace {

bool move_to(unsigned cpu) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  return sched_setaffinity(0, sizeof one, &one) == 0;
}

// One more than the last number in "0-3", or 1.
unsigned nodes_of_machine() {
  std::ifstream file("/sys/devices/system/node/has_cpu");
  std::string list;
  if (!std::getline(file, list)) return 1;
  return unsigned(std::stoul(list.substr(list.find_last_of(",-") + 1))) + 1;
}

// What is added on a CPU is on the list of its node, or the one it was dealt to.
void add_on_each_cpu(unsigned asked) {
  tenure_lru* lru = nullptr;
  REQUIRE(tenure_lru_create(&lru) == 0, "no LRU");
  const unsigned nodes = tenure_lru_nodes(lru);
  const unsigned expected = asked ? asked : nodes_of_machine();
  REQUIRE(nodes == expected, "%u nodes, not %u", nodes, expected);
  std::vector<bool> seen(nodes);
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!move_to(cpu)) continue;
    unsigned node = 0;
    REQUIRE(getcpu(nullptr, &node) == 0, "%s", strerror(errno));
    if (asked) node = cpu % asked;
    tenure_lru_item item = {};
    REQUIRE(tenure_lru_add(lru, &item) == 0, "not added");
    for (unsigned i = 0; i <= nodes; ++i) {
      const size_t count = tenure_lru_count_node(lru, tenure_root(), i);
      REQUIRE(count == (i == node ? 1 : 0), "cpu %u, node %u: %zu on %u", cpu, node, count, i);
    }
    REQUIRE(tenure_lru_remove(&item) == 1, "not removed");
    seen[node] = true;
  }
  REQUIRE(tenure_lru_destroy(lru) == 0, "not destroyed");
  dprintf(STDOUT_FILENO, "%u nodes, %zu of them with CPUs for us\n", nodes,
          size_t(std::count(seen.begin(), seen.end(), true)));
}

// Threads fill a cache with far more than the tenant may have, each on a CPU as far as there are; nothing fails.
void fill() {
  constexpr size_t kMax = 8 * kMiB, kThreads = 3, kObjects = 20000, kSize = 1000;
  Tenant tenant("full");
  REQUIRE(tenure_tenant_set_limit(tenant, TENURE_MAX, kMax) == 0, "no limit");
  {
    Evictable cache;
    std::vector<std::thread> threads;
    for (size_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        move_to(unsigned(t));  // Where there is no such CPU: any.
        for (size_t i = 0; i < kObjects; ++i) {
          REQUIRE(cache.add(tenant, kSize), "refused, with %zu in the cache", cache.count(tenant));
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    const size_t left = cache.count(tenant);
    REQUIRE(left > kMax / kSize / 4, "only %zu left", left);
    REQUIRE(stats_of(tenant).peak <= kMax, "%zu bytes", stats_of(tenant).peak);
    REQUIRE(cache.evict(tenant, SIZE_MAX) == left && cache.count(tenant) == 0, "some are left");
  }
  REQUIRE(settled_usage(tenant) == 0, "%zu bytes are left", usage_of(tenant));
  REQUIRE(tenure_validate() == 0, "not valid");
}

void run_child(const char* asked) {
  fill();
  add_on_each_cpu(unsigned(atoi(asked)));
}

// As many lists as `expected` says; 0: as many as the machine has nodes.
ChildResult require_nodes(const char* option, const char* expected) {
  ChildOptions options;
  if (option) options.environment = {std::string("TENURE_LRU_LISTS=") + option};
  return require_run(expected, options);
}

void run_all() {
  require_nodes(nullptr, "0");
  require_nodes("1", "1");
  require_nodes("3", "3");
  const ChildResult result = require_nodes("65", "0");
  REQUIRE(
      result.err ==
          "tenure: option TENURE_LRU_LISTS: bad value '65', the default is used; good: 0 to 64\n",
      "%s", result.err.c_str());
}

}  // namespace
}  // namespace blackbox

int main(int count, char** arguments) {
  if (count > 1) {
    blackbox::run_child(arguments[1]);
  } else {
    unsetenv("TENURE_LRU_LISTS");
    blackbox::run_all();
  }
}
