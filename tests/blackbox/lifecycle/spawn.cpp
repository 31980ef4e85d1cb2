// Other processes started from a threaded program: posix_spawn, system, popen, and vfork as the
// standards have it, whose child only calls exec. What else it may do under Tenure: vfork.cpp.

#include <errno.h>
#include <fcntl.h>
#include <memory>
#include <spawn.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "tests/blackbox/support/clock.h"
#include "tests/blackbox/support/parcel.h"

extern char** environ;

namespace blackbox {
namespace {

ParcelTable<512> table;

void require_exit(pid_t child, int code) {
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child, "waitpid: %s", strerror(errno));
  REQUIRE(WIFEXITED(status) && WEXITSTATUS(status) == code, "status %#x", unsigned(status));
}

void spawn_with_actions() {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  char name[] = "sh", option[] = "-c", script[] = "echo spawned; exit 3";
  char* arguments[] = {name, option, script, nullptr};
  pid_t child;
  int error = posix_spawnp(&child, "sh", &actions, nullptr, arguments, environ);
  REQUIRE(error == 0, "posix_spawnp: %s", strerror(error));
  require_exit(child, 3);
  posix_spawn_file_actions_destroy(&actions);
}

void call_system() { REQUIRE(WEXITSTATUS(system("exit 5")) == 5, "system"); }

void read_from_popen() {
  FILE* stream = popen("echo from the child", "r");
  REQUIRE(stream != nullptr, "popen: %s", strerror(errno));
  char* line = nullptr;
  size_t capacity = 0;
  REQUIRE(getline(&line, &capacity, stream) == 15, "%s", line);
  free(line);
  REQUIRE(pclose(stream) == 0, "pclose");
}

void vfork_and_exec() {
  pid_t child = vfork();
  REQUIRE(child >= 0, "vfork: %s", strerror(errno));
  if (child == 0) {
    execl("/bin/sh", "sh", "-c", "exit 7", nullptr);
    _exit(127);
  }
  require_exit(child, 7);
}

void run() {
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (uint64_t seed = 0; seed < 3; ++seed)
    threads.emplace_back([&, seed] {
      Random random(mix(seed));
      while (!stop.load(std::memory_order_relaxed))
        table.replace(random, random.one_in(8) ? nullptr : make_parcel(random, 20000));
    });
  Deadline deadline(scaled(2.5));
  int rounds = 0;
  for (; !deadline.passed() || rounds < 3; ++rounds) {
    spawn_with_actions();
    call_system();
    read_from_popen();
    vfork_and_exec();
  }
  stop.store(true);
  for (std::thread& thread : threads) thread.join();
  table.clear();
  printf("%d rounds\n", rounds);
}

}  // namespace
}  // namespace blackbox

int main() {
  blackbox::run();
  blackbox::require_valid_heap();
}
