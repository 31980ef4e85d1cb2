// Fork children of programs with a live region: their counters are their own, from their first charge on.
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <functional>
#include <map>
#include <thread>

#include "tests/blackbox/support/child.h"
#include "tests/live/region_reader.h"
#include "tests/live/scenarios.h"
#include "tests/tenants/support/tenant.h"

extern "C" pid_t _Fork() noexcept;

namespace blackbox {
namespace {

constexpr size_t kLarge = 256 * kKiB;

void* allocate_in(tenure_tenant* tenant, size_t bytes) {
  const Inside inside(tenant);
  return malloc(bytes);
}

pid_t bare_clone() { return static_cast<pid_t>(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)); }

struct Parent {
  explicit Parent(const std::string& in) : folder(in) {
    top.limit(TENURE_MAX, 100 * kLarge);
    object = allocate_in(inner, kLarge);
    NEED(object);
  }
  ~Parent() { free(object); }

  std::string folder;
  Tenant top{"top"};
  Tenant inner{"inner", top};
  void* object;
};

// The child's file is its own, and complete.
void expect_own_file(const Parent& parent, uint64_t usage) {
  const RegionReader own(parent.folder, getpid());
  NEED(own.header().pid == uint32_t(getpid()));
  NEED(own.header().parent_pid == uint32_t(getppid()));
  NEED((own.header().flags & live::kForked) != 0);
  NEED(own.header().state == uint32_t(live::State::kLive));
  REQUIRE(own.at("inner").usage == usage, "%lu, not %lu", (unsigned long)own.at("inner").usage,
          (unsigned long)usage);
  NEED(own.at("top").usage == usage);
  NEED(~own.at("top").max_complement == 100 * kLarge);
  NEED(&own.slot(own.at("inner").parent) == &own.at("top"));
}

void live_as_child(const Parent& parent, uint64_t usage) {
  alarm(60);
  void* const more = allocate_in(parent.inner, kLarge);
  NEED(more);
  expect_own_file(parent, usage + kLarge);
  free(more);
  free(parent.object);
  expect_own_file(parent, 0);
  Tenant made("of the child", parent.inner);
  const RegionReader own(parent.folder, getpid());
  NEED(own.find("of the child") != nullptr);
  RegionReader::set_max(own.at("top"), 1);
  NEED(allocate_in(parent.inner, kLarge) == nullptr);
}

int compare(const std::string& folder, pid_t (*make)(), bool free_first = false) {
  Parent parent(folder);
  const RegionReader region(folder, getpid());
  const uint64_t usage = parent.inner.usage();
  const pid_t child = make();
  if (child == 0) {
    if (free_first) {
      free(parent.object);
      expect_own_file(parent, 0);
      parent.object = allocate_in(parent.inner, kLarge);
    }
    live_as_child(parent, usage);
    exit(0);
  }
  require_child_success(child, 60, "child");
  NEED(region.at("inner").usage == usage && region.at("top").usage == usage);
  NEED(region.find("of the child") == nullptr);
  NEED(~region.at("top").max_complement == 100 * kLarge);
  NEED(parent.inner.usage() == usage);
  // Bare forks leave the handlers of exit to the child as well.
  REQUIRE(RegionFolder::names_in(folder).size() == 1, "the child's file is gone");
  return 0;
}

// Threads that charge all the time: the child counts what it has, not what the parent has by then.
int threads(const std::string& folder) {
  Parent parent(folder);
  std::atomic<bool> stop{false};
  std::vector<std::thread> busy;
  for (int t = 0; t < 2; ++t) {
    busy.emplace_back([&] {
      while (!stop) free(allocate_in(parent.inner, 2 * kLarge));
    });
  }
  for (int round = 0; round < 20; ++round) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(60);
      // What the other threads had in their hands stays charged; whole blocks of theirs.
      void* const more = allocate_in(parent.inner, kLarge);
      const RegionReader own(parent.folder, getpid());
      const uint64_t usage = own.at("inner").usage;
      REQUIRE(usage >= 2 * kLarge && usage <= 2 * kLarge + 3 * 2 * kLarge, "%lu",
              (unsigned long)usage);
      NEED(own.at("top").usage == usage);
      free(more);
      NEED(own.at("inner").usage == usage - kLarge);
      close(STDERR_FILENO);  // Which losses there are is not to be told.
      const int result = tenure_validate();
      exit(result == 0 || result == -EOWNERDEAD ? 0 : 1);
    }
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child && status == 0, "round %d: %d", round, status);
  }
  stop = true;
  for (std::thread& thread : busy) thread.join();
  NEED(parent.inner.settled() == kLarge);
  return 0;
}

// The parent goes on between the fork and the child's first charge: the child's tenants keep their names and limits, although their slots are
// others' in the parent.
int given_away(const std::string& folder) {
  Parent parent(folder);
  Tenant early("early");
  early.limit(TENURE_MAX, 3 * kLarge);
  early.policy(TENURE_FAIL_ALL);
  int ends[2];
  NEED(pipe(ends) == 0);
  const pid_t child = fork();
  if (child == 0) {
    char byte;
    NEED(read(ends[0], &byte, 1) == 1);
    live_as_child(parent, kLarge);
    const RegionReader own(parent.folder, getpid());
    NEED(~own.at("early").max_complement == 3 * kLarge);
    NEED(own.at("early").oom == live::pack_oom(TENURE_FAIL_ALL, 64 * kKiB));
    NEED(own.find("late") == nullptr);
    NEED(allocate_in(early, 4 * kLarge) == nullptr);
    exit(0);
  }
  void* const more = allocate_in(parent.inner, 5 * kLarge);
  early.offline();
  early.close();
  const uint32_t used = RegionReader(folder, getpid()).header().used_slots;
  for (int i = 0; i < 2000; ++i) {
    Tenant late("late");
    late.limit(TENURE_MAX, 5);
    late.offline();
    late.close();
    tenure_reap();
  }
  NEED(RegionReader(folder, getpid()).header().used_slots > used);
  NEED(write(ends[1], "", 1) == 1);
  require_child_success(child, 60, "child");
  free(more);
  return 0;
}

// The signal comes in the midst of many a charge; the handler's child charges, returns into the charge that was interrupted, and must
// count right in the end.
Parent* interrupted = nullptr;
std::atomic<int> children{0};
thread_local bool is_child = false;

void fork_in_handler(int) {
  const pid_t child = fork();
  if (child == 0) {
    is_child = true;
    free(allocate_in(interrupted->inner, kLarge));
    return;
  }
  ++children;
}

int in_handler(const std::string& folder) {
  Parent parent(folder);
  interrupted = &parent;
  signal(SIGUSR1, fork_in_handler);
  const pthread_t self = pthread_self();
  std::atomic<bool> stop{false};
  std::thread sender([&] {
    while (!stop && children < 100) {
      const int before = children;
      pthread_kill(self, SIGUSR1);
      while (!stop && children == before) std::this_thread::yield();
    }
  });
  while (children < 100) {
    for (int i = 0; i < 50 && !is_child; ++i) free(allocate_in(parent.inner, 2 * kLarge));
    if (!is_child) continue;
    alarm(60);
    const RegionReader own(folder, getpid());
    // One more charge, and all that was interrupted is over.
    free(allocate_in(parent.inner, kLarge));
    const uint64_t usage = own.at("inner").usage;
    REQUIRE(usage == kLarge, "%lu", (unsigned long)usage);
    _exit(0);
  }
  stop = true;
  sender.join();
  for (int i = 0; i < children; ++i) {
    int status = -1;
    REQUIRE(wait(&status) > 0 && status == 0, "child %d: %d", i, status);
  }
  for (const std::string& name : RegionFolder::names_in(folder)) {
    if (name != std::to_string(getpid())) unlink((folder + "/" + name).c_str());
  }
  return 0;
}

int exec(const std::string& folder) {
  const Parent parent(folder);
  const pid_t child = fork();
  if (child == 0) {
    unsetenv("TENURE_LIVE");
    execl("/bin/true", "true", nullptr);
    _exit(126);
  }
  require_child_success(child, 60, "true");
  NEED(RegionFolder::names_in(folder).size() == 1);
  return 0;
}

int vforked(const std::string& folder) {
  const Parent parent(folder);
  const RegionReader region(folder, getpid());
  const uint64_t usage = region.at("inner").usage;
  const pid_t child = vfork();
  if (child == 0) _exit(0);
  require_child_success(child, 60, "child");
  NEED(region.at("inner").usage == usage);
  void* const more = allocate_in(parent.inner, kLarge);
  REQUIRE(region.at("inner").usage == usage + kLarge, "the region is this process's still");
  free(more);
  return 0;
}

// Without exit(), as shells leave.
int leaves(const std::string& folder) {
  const Parent parent(folder);
  const pid_t child = fork();
  if (child == 0) {
    free(allocate_in(parent.inner, kLarge));
    const std::string file = folder + "/" + std::to_string(getpid());
    NEED(access(file.c_str(), F_OK) == 0);
    _exit(0);
  }
  require_child_success(child, 60, "child");
  const std::string file = folder + "/" + std::to_string(child);
  REQUIRE(access(file.c_str(), F_OK) != 0, "the child has taken its file with it");
  return 0;
}

int folder_gone(const std::string& folder) {
  const Parent parent(folder);
  const RegionReader region(folder, getpid());
  const uint64_t usage = region.at("inner").usage;
  const std::string away = folder + "-away";
  NEED(rename(folder.c_str(), away.c_str()) == 0);
  NEED(symlink("/", folder.c_str()) == 0);
  const pid_t child = fork();
  if (child == 0) {
    void* const more = allocate_in(parent.inner, kLarge);
    NEED(parent.inner.usage() == usage + kLarge);
    NEED(tenure_tenant_limit(parent.top, TENURE_MAX) == 100 * kLarge);
    NEED(region.at("inner").usage == usage);
    free(more);
    Tenant made("made", parent.top);
    NEED(allocate_in(made, 101 * kLarge) == nullptr);
    const pid_t grandchild = fork();
    if (grandchild == 0) {
      free(allocate_in(parent.inner, kLarge));
      _exit(parent.inner.usage() == usage ? 0 : 1);
    }
    require_child_success(grandchild, 60, "grandchild");
    made.offline();
    made.close();
    free(parent.object);
    NEED(parent.inner.settled() == 0);
    _exit(0);
  }
  require_child_success(child, 60, "child");
  NEED(unlink(folder.c_str()) == 0 && rename(away.c_str(), folder.c_str()) == 0);
  NEED(region.at("inner").usage == usage);
  return 0;
}

}  // namespace

int run_fork_scenario(const std::string& name, const std::string& folder) {
  static const std::map<std::string, std::function<int()>> scenarios = {
      {"fork", [&] { return compare(folder, fork); }},
      {"_Fork", [&] { return compare(folder, _Fork); }},
      {"clone", [&] { return compare(folder, bare_clone); }},
      {"free_first", [&] { return compare(folder, fork, true); }},
      {"threads", [&] { return threads(folder); }},
      {"given_away", [&] { return given_away(folder); }},
      {"in_handler", [&] { return in_handler(folder); }},
      {"exec", [&] { return exec(folder); }},
      {"vfork", [&] { return vforked(folder); }},
      {"leaves", [&] { return leaves(folder); }},
      {"folder_gone", [&] { return folder_gone(folder); }}};
  const auto found = scenarios.find(name);
  return found == scenarios.end() ? 98 : found->second();
}

}  // namespace blackbox
