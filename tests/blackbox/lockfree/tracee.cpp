#include "tests/blackbox/lockfree/tracee.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "tests/blackbox/support/check.h"
#include "tests/blackbox/support/clock.h"

namespace blackbox {

bool Tracee::attach() {
  if (ptrace(PTRACE_SEIZE, thread_, 0, PTRACE_O_EXITKILL) == 0) return true;
  REQUIRE(errno == EPERM || errno == ENOSYS, "PTRACE_SEIZE: %s", strerror(errno));
  return false;
}

void Tracee::detach() {
  REQUIRE(ptrace(PTRACE_DETACH, thread_, 0, 0) == 0, "PTRACE_DETACH: %s", strerror(errno));
}

void Tracee::check_stop(int status) const {
  REQUIRE(WIFSTOPPED(status), "the victim ended: status %#x", unsigned(status));
  REQUIRE(WSTOPSIG(status) == SIGTRAP, "the victim got signal %d at %#lx", WSTOPSIG(status),
          long(instruction()));
}

void Tracee::wait_for_stop() {
  int status = 0;
  REQUIRE(waitpid(thread_, &status, __WALL) == thread_, "waitpid: %s", strerror(errno));
  check_stop(status);
}

bool Tracee::stops_within(double seconds) {
  for (Deadline deadline(seconds);;) {
    int status = 0;
    pid_t stopped = waitpid(thread_, &status, __WALL | WNOHANG);
    REQUIRE(stopped >= 0, "waitpid: %s", strerror(errno));
    if (stopped == thread_) {
      check_stop(status);
      return true;
    }
    if (deadline.passed()) return false;
    sleep_seconds(0.0002);
  }
}

void Tracee::interrupt() {
  REQUIRE(ptrace(PTRACE_INTERRUPT, thread_, 0, 0) == 0, "PTRACE_INTERRUPT: %s", strerror(errno));
  wait_for_stop();
}

void Tracee::step() {
  REQUIRE(ptrace(PTRACE_SINGLESTEP, thread_, 0, 0) == 0, "PTRACE_SINGLESTEP: %s", strerror(errno));
  wait_for_stop();
}

void Tracee::resume() {
  REQUIRE(ptrace(PTRACE_CONT, thread_, 0, 0) == 0, "PTRACE_CONT: %s", strerror(errno));
}

#if defined(__x86_64__)

uint64_t Tracee::instruction() const {
  user_regs_struct registers;
  REQUIRE(ptrace(PTRACE_GETREGS, thread_, 0, &registers) == 0, "PTRACE_GETREGS: %s",
          strerror(errno));
  return registers.rip;
}

bool Tracee::set_debug_register(unsigned number, uint64_t value) const {
  size_t offset = offsetof(user, u_debugreg) + number * sizeof(user::u_debugreg[0]);
  return ptrace(PTRACE_POKEUSER, thread_, offset, value) == 0;
}

bool Tracee::run_to(const uint64_t (&addresses)[kBreakpoints], double seconds) {
  constexpr uint64_t kAllEnabled = 0x55;  // a local enable bit each; type and length 0: execution
  bool set = true;
  for (unsigned i = 0; i < kBreakpoints; ++i) set = set_debug_register(i, addresses[i]) && set;
  set = set && set_debug_register(7, kAllEnabled);
  resume();
  bool met = set && stops_within(seconds);
  if (!met) interrupt();
  set_debug_register(7, 0);
  return met;
}

#endif

}  // namespace blackbox
