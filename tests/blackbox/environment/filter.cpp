#include "tests/blackbox/environment/filter.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace blackbox {

namespace {

constexpr sock_filter statement(unsigned code, unsigned operand) {
  return {static_cast<unsigned short>(code), 0, 0, operand};
}

}  // namespace

bool refuse_system_calls(const std::vector<int>& calls, int error) {
  std::vector<sock_filter> program;
  program.push_back(statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
  for (int call : calls) {
    program.push_back({BPF_JMP | BPF_JEQ | BPF_K, 0, 1, unsigned(call)});
    program.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | unsigned(error)));
  }
  program.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  sock_fprog filter = {static_cast<unsigned short>(program.size()), program.data()};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter) == 0;
}

bool trap_all_but(const std::vector<int>& calls) {
  struct sigaction action = {};
  action.sa_flags = SA_SIGINFO;
  action.sa_sigaction = [](int, siginfo_t* info, void*) {
    char text[64];
    const int length = snprintf(text, sizeof text, "system call %d is trapped\n", info->si_syscall);
    if (write(STDERR_FILENO, text, size_t(length)) > 0) _exit(kTrapped);
    _exit(kTrapped);
  };
  if (sigaction(SIGSYS, &action, nullptr) != 0) return false;
  std::vector<sock_filter> program;
  program.push_back(statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
  for (int call : calls) {
    program.push_back({BPF_JMP | BPF_JEQ | BPF_K, 0, 1, unsigned(call)});
    program.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  }
  program.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_TRAP));
  sock_fprog filter = {static_cast<unsigned short>(program.size()), program.data()};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) == 0;
}

}  // namespace blackbox
