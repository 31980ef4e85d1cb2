// environment GROUP: runs the scenarios of one group, each in a process of its own that starts (by exec)
// in the environment in question. environment child NAME...: such a process.

#include <string.h>

#include "tests/blackbox/environment/scenarios.h"
#include "tests/blackbox/support/check.h"

int main(int count, char** arguments) {
  using namespace blackbox;
  const std::vector<std::string> words(arguments + 1, arguments + count);
  REQUIRE(!words.empty(), "usage: environment limits|locking|seccomp|sandbox|faults|overcommit");
  const Group groups[] = {
      {"limits", run_limits, limits_child},    {"locking", run_locking, locking_child},
      {"seccomp", run_seccomp, seccomp_child}, {"sandbox", run_sandbox, seccomp_child},
      {"faults", run_faults, faults_child},    {"overcommit", run_overcommit, overcommit_child},
  };
  for (const Group& group : groups) {
    if (words[0] == group.name) return group.run();
    if (words.size() >= 2 && words[0] == "child" && words[1] == group.name) {
      group.child({words.begin() + 2, words.end()});
      require_valid_heap();
      return 0;
    }
  }
  REQUIRE(false, "no group %s", words[0].c_str());
}
