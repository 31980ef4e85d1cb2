#include "tests/tenants/pressure/cgroups.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/blackbox/support/check.h"

namespace blackbox {

namespace {

constexpr char kMount[] = "/sys/fs/cgroup";

bool write_file(const std::string& path, const std::string& text) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) return false;
  const bool done = write(file, text.data(), text.size()) == ssize_t(text.size());
  return close(file) == 0 && done;
}

bool try_to_fake() {
  if (unshare(CLONE_NEWNS) != 0) return false;
  return mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         mount("tmpfs", kMount, "tmpfs", 0, nullptr) == 0 &&
         write_file(std::string(kMount) + "/cgroup.stat", "nr_descendants 0\n");
}

}  // namespace

void enter_fake_cgroup() { REQUIRE(try_to_fake(), "%s", strerror(errno)); }

// Without membership of a cgroup v2, which kernels have that know none, there is nothing to be found.
bool can_fake_cgroup() {
  char text[4096];
  const int file = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
  const ssize_t length = file < 0 ? -1 : read(file, text, sizeof text);
  if (file >= 0) close(file);
  if (length < 0 || memmem(text, size_t(length), "0::/", 4) == nullptr) return false;
  const pid_t child = fork();
  REQUIRE(child >= 0, "%s", strerror(errno));
  if (child == 0) _exit(try_to_fake() ? 0 : 1);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child, "%s", strerror(errno));
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void set_memory(const char* file, const char* text) {
  const std::string path = std::string(kMount) + "/" + file;
  if (text == nullptr) {
    REQUIRE(unlink(path.c_str()) == 0, "%s", strerror(errno));
  } else {
    REQUIRE(write_file(path, text), "%s", strerror(errno));
  }
}

RealCgroup::RealCgroup(size_t high)
    : path_(std::string(kMount) + "/tenure-test-" + std::to_string(getpid())) {
  struct stat found;
  if (stat((std::string(kMount) + "/cgroup.controllers").c_str(), &found) != 0) return;
  if (mkdir(path_.c_str(), 0755) != 0) return;
  // An ordinary file would come into being by writing to it.
  made_ = stat((path_ + "/memory.high").c_str(), &found) == 0 &&
          write_file(path_ + "/memory.high", std::to_string(high));
  if (!made_) rmdir(path_.c_str());
}

RealCgroup::~RealCgroup() {
  if (made_) rmdir(path_.c_str());
}

void RealCgroup::enter() const {
  REQUIRE(write_file(path_ + "/cgroup.procs", std::to_string(getpid())), "%s", strerror(errno));
}

}  // namespace blackbox
