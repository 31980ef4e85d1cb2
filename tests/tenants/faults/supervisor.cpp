#include "tests/tenants/faults/supervisor.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

#include "tests/blackbox/support/check.h"

namespace blackbox {

namespace {

std::atomic<int> listener{-1};
std::atomic<size_t> seen{0};

constexpr sock_filter statement(unsigned code, unsigned operand) {
  return {static_cast<unsigned short>(code), 0, 0, operand};
}

// The filter is the installing thread's and its children's; the supervisor is older.
int install(const std::vector<int>& calls) {
  std::vector<sock_filter> program;
  program.push_back(statement(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
  for (int call : calls) {
    program.push_back({BPF_JMP | BPF_JEQ | BPF_K, 0, 1, unsigned(call)});
    program.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF));
  }
  program.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  sock_fprog filter = {static_cast<unsigned short>(program.size()), program.data()};
  // Not by the library's prctl, which would have it do without fences: their refusal is tested here.
  if (syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  return int(
      syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter));
}

// Allocates nothing: whoever waits for an answer may be inside the allocator.
void supervise(size_t first, size_t count) {
  while (listener < 0) sched_yield();
  for (;;) {
    seccomp_notif request;
    memset(&request, 0, sizeof request);
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) != 0) {
      if (errno == EINTR || errno == ENOENT) continue;
      return;
    }
    const size_t number = ++seen;
    seccomp_notif_resp response;
    memset(&response, 0, sizeof response);
    response.id = request.id;
    if (number >= first && number - first < count)
      response.error = -ENOMEM;
    else
      response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
  }
}

}  // namespace

bool start_faults(const FaultPlan& plan) {
  std::thread(supervise, plan.first, plan.count).detach();
  const int fd = install(plan.calls);
  if (fd < 0) return false;
  listener = fd;
  return true;
}

size_t calls_seen() { return seen; }

}  // namespace blackbox
