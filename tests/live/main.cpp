// The live region as others see it: each test starts programs that have one, and looks at their files.
#include <grp.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <filesystem>

#include "tests/blackbox/support/child.h"
#include "tests/live/region_reader.h"
#include "tests/live/scenarios.h"

namespace blackbox {
namespace {

namespace fs = std::filesystem;

ChildResult run_in(const std::string& folder, const std::string& scenario,
                   ChildOptions options = {}) {
  options.environment.push_back("TENURE_LIVE=" + folder);
  return run_self({scenario, folder}, options);
}

class LiveTest : public testing::Test {
protected:
  // Must end with 0, silent, and leave no file.
  void run(const std::string& scenario, ChildOptions options = {}) {
    const ChildResult result = run_in(folder_.path(), scenario, std::move(options));
    EXPECT_TRUE(result.exited(0)) << scenario << ": " << result.describe();
    EXPECT_EQ(result.err, "");
    EXPECT_EQ(folder_.names(), std::vector<std::string>{});
  }

  RegionFolder folder_;
};

TEST_F(LiveTest, ShowsTenantsAsTheyAre) { run("shows"); }
TEST_F(LiveTest, GivesSlotsAgainUnderAnotherGeneration) { run("generations"); }
TEST_F(LiveTest, GrowsWithTheTenants) { run("grows"); }
TEST_F(LiveTest, TakesALimitFromOutsideAtTheNextCharge) {
  ChildOptions options;
  options.environment = {"TENURE_HELPER=off"};
  run("limited", options);
}
TEST_F(LiveTest, TakesPolicyAndHighFromOutside) { run("settings"); }
TEST_F(LiveTest, GoesOnWhereNumbersAreSpoiled) { run("spoiled"); }
TEST_F(LiveTest, GoesOnWhereEverythingIsSpoiled) { run("overwritten"); }
TEST_F(LiveTest, ForkChildHasItsOwn) { run("fork"); }
TEST_F(LiveTest, ChildOfBareForkHasItsOwn) { run("_Fork"); }
TEST_F(LiveTest, ChildOfBareCloneHasItsOwn) { run("clone"); }
TEST_F(LiveTest, ChildThatFreesFirstHasItsOwn) { run("free_first"); }
TEST_F(LiveTest, ChildOfAProcessWithThreadsHasItsOwn) { run("threads"); }
TEST_F(LiveTest, ChildKeepsWhatTheParentGaveAway) { run("given_away"); }
TEST_F(LiveTest, ChildInASignalHandlerInTheMidstOfACharge) { run("in_handler"); }
TEST_F(LiveTest, ChildThatExecutesHasNone) { run("exec"); }
TEST_F(LiveTest, VforkChangesNothing) { run("vfork"); }
TEST_F(LiveTest, AProcessWithoutExitTakesItsFileWithIt) { run("leaves"); }
TEST_F(LiveTest, ChildWithoutAFolderCountsForItself) { run("folder_gone"); }

TEST_F(LiveTest, HelperServesRequests) { run("by_helper"); }
TEST_F(LiveTest, MallocServesRequestsWhereThereIsNoHelper) {
  ChildOptions options;
  options.environment = {"TENURE_HELPER=off"};
  run("by_malloc", options);
}
TEST_F(LiveTest, ShowsEvents) { run("events"); }

// Started and stopped in the midst: `hold` writes what it has to the pipe, and stops.
class Held {
public:
  Held(const std::string& folder, const char* scenario) {
    int ends[2];
    NEED(pipe2(ends, O_CLOEXEC) == 0);
    child_ = fork();
    if (child_ == 0) {
      dup2(ends[1], STDOUT_FILENO);
      setenv("TENURE_LIVE", folder.c_str(), 1);
      char self[] = "/proc/self/exe";
      execl(self, self, scenario, folder.c_str(), nullptr);
      _exit(126);
    }
    close(ends[1]);
    int status = 0;
    REQUIRE(waitpid(child_, &status, WUNTRACED) == child_ && WIFSTOPPED(status), "status %d",
            status);
    char text[64] = {};
    NEED(read(ends[0], text, sizeof text - 1) > 0);
    close(ends[0]);
    usage_ = strtoull(text, nullptr, 10);
  }
  ~Held() {
    if (child_ > 0) end(SIGKILL);
  }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

  pid_t pid() const { return child_; }
  uint64_t usage() const { return usage_; }
  int end(int signal) {
    int status = 0;
    kill(child_, signal);
    waitpid(child_, &status, 0);
    child_ = -1;
    return status;
  }

private:
  pid_t child_;
  uint64_t usage_ = 0;
};

TEST_F(LiveTest, IsReadAndChangedWhileTheProcessIsStopped) {
  Held held(folder_.path(), "hold");
  RegionReader region(folder_.path(), held.pid());
  EXPECT_EQ(region.header().magic, live::kMagic);
  EXPECT_EQ(region.header().version, live::kVersion);
  EXPECT_EQ(region.header().state, uint32_t(live::State::kLive));
  EXPECT_EQ(region.header().pid, uint32_t(held.pid()));
  EXPECT_FALSE(region.left_behind());
  live::TenantSlot& slot = region.at("held");
  EXPECT_EQ(slot.usage, held.usage());
  EXPECT_GE(held.usage(), 1u << 20);
  RegionReader::set_max(slot, held.usage() + 4096);
  // It allocates a mebibyte more, and says whether that was refused.
  const int status = held.end(SIGCONT);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(folder_.names(), std::vector<std::string>{});
}

TEST_F(LiveTest, IsLeftByAProcessThatIsKilled) {
  Held held(folder_.path(), "hold");
  const pid_t pid = held.pid();
  held.end(SIGKILL);
  RegionReader region(folder_.path(), pid);
  EXPECT_TRUE(region.left_behind());
  EXPECT_EQ(region.header().state, uint32_t(live::State::kLive))
      << "the process did not end as programs do";
  EXPECT_EQ(region.at("held").usage, held.usage());
}

TEST_F(LiveTest, FileAndFolderAreTheUsersOnly) {
  const std::string folder = folder_.path() + "/made";
  Held held(folder, "hold");
  RegionReader region(folder, held.pid());
  EXPECT_EQ(region.about().st_mode & 07777, 0600u);
  struct stat about = {};
  ASSERT_EQ(stat(folder.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 07777, 0700u);
  held.end(SIGCONT);
  EXPECT_EQ(RegionFolder::names_in(folder), std::vector<std::string>{});
  rmdir(folder.c_str());
}

// What can't be is said in one line, and the program goes on.
void expect_a_line(const std::string& folder, const std::string& reason,
                   ChildOptions options = {}) {
  const ChildResult result = run_in(folder, "without", std::move(options));
  EXPECT_TRUE(result.exited(0)) << result.describe();
  EXPECT_NE(result.err.find("TENURE_LIVE"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find(reason), std::string::npos) << result.err;
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
}

TEST_F(LiveTest, SaysInOneLineWhereThereCanBeNone) {
  expect_a_line("/proc/no/such/folder", "ENOENT");
  expect_a_line("not/absolute", "good: off, on or an absolute path");
  ASSERT_EQ(chmod(folder_.path().c_str(), 0777), 0);
  expect_a_line(folder_.path(), "EPERM");
  ASSERT_EQ(chmod(folder_.path().c_str(), 0700), 0);
  const std::string link = folder_.path() + "/link";
  ASSERT_EQ(symlink(folder_.path().c_str(), link.c_str()), 0);
  expect_a_line(link, "ENOTDIR");
  unlink(link.c_str());
  ChildOptions short_files;
  short_files.prepare = [] {
    const rlimit limit = {1 << 16, 1 << 16};
    setrlimit(RLIMIT_FSIZE, &limit);
  };
  expect_a_line(folder_.path(), "EFBIG", short_files);
  EXPECT_EQ(folder_.names(), std::vector<std::string>{});
}

// In a mount namespace of its own.
TEST_F(LiveTest, FullFileSystemIsNoSignal) {
  ChildOptions options;
  const std::string folder = folder_.path();
  options.prepare = [folder] {
    if (unshare(CLONE_NEWNS) != 0 ||
        mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("none", folder.c_str(), "tmpfs", 0, "size=512k,mode=700") != 0)
      _exit(kSkipped);
  };
  const ChildResult result = run_in(folder, "full", options);
  if (result.exited(kSkipped)) GTEST_SKIP() << "no mounts here";
  EXPECT_TRUE(result.exited(0)) << result.describe();
}

TEST_F(LiveTest, NothingWithRaisedPrivileges) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  const std::string copy = folder_.path() + "/raised";
  fs::copy_file("/proc/self/exe", copy);
  ASSERT_EQ(chmod(copy.c_str(), 04755), 0);
  ASSERT_EQ(chmod(folder_.path().c_str(), 0755), 0);
  ChildOptions options;
  options.environment = {folder_.variable()};
  options.prepare = [] {
    if (setgroups(0, nullptr) != 0 || setgid(65534) != 0 || setuid(65534) != 0) _exit(kSkipped);
  };
  const ChildResult result = run_program({copy, "secure", folder_.path()}, options);
  if (result.exited(kSkipped)) GTEST_SKIP() << "no set-user-ID here";
  EXPECT_TRUE(result.exited(0)) << result.describe();
  EXPECT_EQ(result.err, "");
}

}  // namespace
}  // namespace blackbox

int main(int count, char** arguments) {
  using namespace blackbox;
  if (count == 5 && std::string(arguments[1]) == "set")
    return set_from_outside(arguments[2], arguments[3], strtoull(arguments[4], nullptr, 10));
  if (count == 3) {
    int result = run_scenario(arguments[1], arguments[2]);
    if (result < 0) result = run_request_scenario(arguments[1], arguments[2]);
    return result >= 0 ? result : run_fork_scenario(arguments[1], arguments[2]);
  }
  testing::InitGoogleTest(&count, arguments);
  return RUN_ALL_TESTS();
}
