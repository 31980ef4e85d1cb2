#include "rules/wrappers/next.h"

#include <errno.h>

namespace tenure::rules {

constinit Next next_functions{};
constinit std::atomic<bool> next_found{false};

namespace {

// Stands for a function that the C library does not have. No program that runs with this C library calls it by name.
int is_not_there() {
  errno = ENOSYS;
  return -1;
}

template <typename Function>
void find(Function& function, const char* name) {
  void* const found = dlsym(RTLD_NEXT, name);
  function = reinterpret_cast<Function>(found ? found : reinterpret_cast<void*>(&is_not_there));
}

}  // namespace

void find_next() {
  const int saved = errno;
  Next& n = next_functions;
  find(n.pthread_create, "pthread_create");
  find(n.pthread_setname_np, "pthread_setname_np");
  find(n.prctl, "prctl");
  find(n.dlopen, "dlopen");
  find(n.dlclose, "dlclose");
  find(n.read, "read");
  find(n.read_chk, "__read_chk");
  find(n.readv, "readv");
  find(n.recv, "recv");
  find(n.recv_chk, "__recv_chk");
  find(n.recvfrom, "recvfrom");
  find(n.recvfrom_chk, "__recvfrom_chk");
  find(n.recvmsg, "recvmsg");
  find(n.recvmmsg, "recvmmsg");
  find(n.accept, "accept");
  find(n.accept4, "accept4");
  find(n.connect, "connect");
  find(n.close, "close");
  find(n.close_range, "close_range");
  find(n.closefrom, "closefrom");
  find(n.fclose, "fclose");
  find(n.dup, "dup");
  find(n.dup2, "dup2");
  find(n.dup3, "dup3");
  find(n.fcntl, "fcntl");
  find(n.fcntl64, "fcntl64");
  find(n.poll, "poll");
  find(n.poll_chk, "__poll_chk");
  find(n.ppoll, "ppoll");
  find(n.ppoll_chk, "__ppoll_chk");
  find(n.select, "select");
  find(n.pselect, "pselect");
  find(n.epoll_wait, "epoll_wait");
  find(n.epoll_pwait, "epoll_pwait");
  find(n.epoll_pwait2, "epoll_pwait2");
  errno = saved;
  next_found.store(true, std::memory_order_release);
}

}  // namespace tenure::rules
