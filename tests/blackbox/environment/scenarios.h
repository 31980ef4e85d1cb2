#pragma once

#include <string>
#include <vector>

namespace blackbox {

using Words = std::vector<std::string>;

// run: in the test process, starts children and judges them; its result is the exit status (0, or
// kSkipped). child: in the process under test.
struct Group {
  const char* name;
  int (*run)();
  void (*child)(const Words& arguments);
};

int run_limits();
void limits_child(const Words& arguments);
int run_locking();
void locking_child(const Words& arguments);
int run_seccomp();
int run_sandbox();
void seccomp_child(const Words& arguments);
int run_faults();
void faults_child(const Words& arguments);
int run_overcommit();
void overcommit_child(const Words& arguments);

}  // namespace blackbox
