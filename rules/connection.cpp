#include "rules/connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/system/log.h"
#include "base/system/system_calls.h"
#include "base/system/system_file.h"
#include "rules/control.h"
#include "rules/descriptors.h"
#include "rules/loaded.h"
#include "rules/process.h"
#include "rules/threads.h"

namespace tenure::rules {
namespace {

Endpoint endpoint_of(const sockaddr_storage& address, socklen_t length) {
  Endpoint end;
  if (address.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(address);
    end.family = Family::kInet;
    end.address[10] = end.address[11] = 0xff;
    memcpy(end.address + 12, &in.sin_addr, 4);
    end.port = ntohs(in.sin_port);
  } else if (address.ss_family == AF_INET6) {
    const auto& in = reinterpret_cast<const sockaddr_in6&>(address);
    end.family = Family::kInet;
    memcpy(end.address, &in.sin6_addr, 16);
    end.port = ntohs(in.sin6_port);
  } else if (address.ss_family == AF_UNIX) {
    end.family = Family::kUnix;
    constexpr socklen_t kStart = offsetof(sockaddr_un, sun_path);
    const auto& unix_address = reinterpret_cast<const sockaddr_un&>(address);
    size_t bytes = length > kStart ? length - kStart : 0;
    if (bytes >= sizeof end.path) bytes = sizeof end.path - 1;
    memcpy(end.path, unix_address.sun_path, bytes);
    if (bytes > 1 && end.path[0] == '\0') end.path[0] = '@';
  }
  return end;
}

Endpoint ask(int (*what)(int, sockaddr*, socklen_t*), int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  return what(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0
             ? endpoint_of(address, length)
             : Endpoint{};
}

// /proc/<pid>/<file>
class ProcessFile {
public:
  ProcessFile(pid_t pid, const char* file) {
    LineBuffer line;
    line.text("/proc/").decimal(static_cast<uint64_t>(pid)).text("/").text(file);
    memcpy(path_, line.data(), line.size());
    path_[line.size()] = '\0';
  }
  const char* path() const { return path_; }

private:
  char path_[64];
};

void read_peer(pid_t pid, ConnectionFacts& facts) {
  size_t length =
      read_system_file(ProcessFile(pid, "comm").path(), facts.process, sizeof facts.process - 1);
  if (length != 0 && facts.process[length - 1] == '\n') facts.process[--length] = '\0';
  char target[1024];
  const ssize_t size = readlink(ProcessFile(pid, "exe").path(), target, sizeof target - 1);
  const char* executable = facts.process;
  if (size > 0) {
    target[size] = '\0';
    const char* const slash = strrchr(target, '/');
    executable = slash ? slash + 1 : target;
  }
  memcpy(facts.executable, executable, strnlen(executable, sizeof facts.executable - 1));
}

// The facts of the connection. The peer is given, or the kernel is asked for it.
ConnectionFacts facts_of(int fd, const Endpoint& peer) {
  ConnectionFacts facts;
  facts.local = ask(getsockname, fd);
  facts.peer = peer.family != Family::kAny ? peer : ask(getpeername, fd);
  if (facts.local.family != Family::kUnix) return facts;
  ucred credentials{};
  socklen_t length = sizeof credentials;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0 && credentials.pid > 0) {
    facts.has_credentials = true;
    facts.uid = credentials.uid;
    if (is_active(kHasPeer)) read_peer(credentials.pid, facts);
  }
  return facts;
}

void take(int fd, const Endpoint& peer, Membership otherwise) {
  const Inside inside;
  const int saved = errno;
  Membership membership = otherwise;
  if (inside.entered()) {
    const ConnectionFacts facts = facts_of(fd, peer);
    Facts all;
    all.connection = &facts;
    {
      const Control control;
      all.process = process_facts();
      if (const RuleRecord* const rule = find_rule(current_view(), kConnectionRule, all)) {
        const Membership found = join_by_rule(*rule, all);
        if (found != Membership::kNone) membership = found;
      }
    }
  }
  set_descriptor(fd, membership);
  errno = saved;
}

bool is_connected(int fd) {
  const int saved = errno;
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  const bool result = getpeername(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0;
  errno = saved;
  return result;
}

}  // namespace

void take_connection(int fd, const sockaddr* peer, socklen_t peer_length) {
  if (peer == nullptr) return take(fd, Endpoint{}, Membership::kNobody);
  sockaddr_storage address{};
  if (peer_length < sizeof address.ss_family || peer_length > sizeof address) return;
  memcpy(&address, peer, peer_length);
  const Endpoint end = endpoint_of(address, peer_length);
  // A reply belongs to the tenant that the thread works for, unless a rule says otherwise.
  take(fd, end, Membership::kNone);
}

void take_passed(int fd) {
  if (is_connected(fd)) {
    take(fd, Endpoint{}, Membership::kNone);
  } else {
    set_descriptor(fd, Membership::kNone);
  }
}

void look_at_inherited_descriptors() {
  const int folder = sys::open_for_reading("/proc/self/fd");
  if (folder < 0) return;
  struct Entry {
    uint64_t inode;
    int64_t offset;
    uint16_t length;
    uint8_t type;
    char name[];
  };
  alignas(Entry) char buffer[2048];
  long bytes = 0;
  while ((bytes = syscall(SYS_getdents64, folder, buffer, sizeof buffer)) > 0) {
    for (long at = 0; at < bytes;) {
      const auto* const entry = reinterpret_cast<const Entry*>(buffer + at);
      const char* const name = reinterpret_cast<const char*>(entry) + offsetof(Entry, name);
      const uint64_t fd = parse_number(name, name + strlen(name), UINT64_MAX);
      if (fd < kMostDescriptors && fd != static_cast<uint64_t>(folder))
        take_passed(static_cast<int>(fd));
      at += entry->length;
    }
  }
  sys::close(folder);
}

}  // namespace tenure::rules
