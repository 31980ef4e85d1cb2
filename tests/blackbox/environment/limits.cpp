// RLIMIT_AS and RLIMIT_DATA, from the first instruction of the process on and set while it runs.

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <thread>

#include "tests/blackbox/environment/scenarios.h"
#include "tests/blackbox/environment/workload.h"
#include "tests/blackbox/support/check.h"
#include "tests/blackbox/support/child.h"

namespace blackbox {

namespace {

constexpr size_t kMiB = 1 << 20;

void set_limit(int resource, size_t bytes) {
  rlimit limit = {bytes, bytes};
  REQUIRE(setrlimit(resource, &limit) == 0, "setrlimit: %s", strerror(errno));
}

// What the heap does not use is not counted: threads start, and the program's own mappings are granted.
void require_room_for_others(size_t limit) {
  std::thread([] {}).join();
  void* const part = mmap(nullptr, limit / 8, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(part != MAP_FAILED, "mmap: %s", strerror(errno));
  munmap(part, limit / 8);
}

int resource_of(const std::string& name) { return name == "as" ? RLIMIT_AS : RLIMIT_DATA; }

}  // namespace

// arguments: as|data, MiB, start|later, bytes an object
void limits_child(const Words& arguments) {
  const size_t limit = std::stoul(arguments[1]) * kMiB;
  const size_t size = std::stoul(arguments[3]);
  const bool later = arguments[2] == "later";
  WorkloadOptions options;
  options.memory_is_limited = true;
  options.largest = limit / 8;
  if (later) {
    run_workload({});
    set_limit(resource_of(arguments[0]), limit);
    // The smallest limit is what the workload has used.
    if (arguments[0] == "as" && limit >= 128 * kMiB) require_room_for_others(limit);
  }
  run_workload(options);
  size_t bytes = exhaust(size, 2 * limit);
  run_workload(options);
  REQUIRE(bytes <= limit, "%zu of %zu bytes", bytes, limit);
  // The program, its libraries and the CPUs' areas are all that is not the heap's. Objects of more than a chunk start at one, and what the
  // first workload has left in pieces may be of no use for the larger sizes.
  const size_t others = 32 * kMiB;
  size_t least =
      later || limit < 128 * kMiB ? limit / 8 : (limit - others) / (size > kMiB ? 2 : 1) / 4 * 3;
  REQUIRE(bytes >= least, "only %zu KiB of %zu KiB", bytes / 1024, limit / 1024);
}

int run_limits() {
  for (const char* resource : {"as", "data"})
    for (const char* limit : {"256", "128", "64"})
      for (const char* when : {"start", "later"})
        for (const char* size : {"48", "4000", "100000", "3000000"}) {
          // All sizes at the smallest limit, at the others those that use up memory in another way.
          if (strcmp(limit, "64") != 0 && strcmp(size, "4000") != 0 && strcmp(size, "3000000") != 0)
            continue;
          ChildOptions options;
          if (strcmp(when, "start") == 0)
            options.prepare = [&] { set_limit(resource_of(resource), std::stoul(limit) * kMiB); };
          ChildResult result = run_self({"child", "limits", resource, limit, when, size}, options);
          REQUIRE(result.exited(0), "RLIMIT %s %s MiB %s, objects of %s: %s", resource, limit, when,
                  size, result.describe().c_str());
        }
  return 0;
}

}  // namespace blackbox
