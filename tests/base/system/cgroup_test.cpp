#include "base/system/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "base/system/system_file.h"
#include "base/words/bits.h"

namespace tenure {
namespace {

// A directory with files as the kernel's.
class CgroupTest : public testing::Test {
protected:
  void SetUp() override {
    top_ = testing::TempDir() + "tenure-cgroup-" + std::to_string(getpid());
    ASSERT_TRUE(std::filesystem::create_directory(top_)) << top_;
  }
  void TearDown() override { std::filesystem::remove_all(top_); }

  std::string write(const std::string& path, const std::string& text) {
    std::ofstream(top_ + path) << text;
    return top_ + path;
  }
  std::string make_cgroup(const std::string& path) {
    std::filesystem::create_directories(top_ + path);
    write(path + "/cgroup.stat", "nr_descendants 0\nnr_dying_descendants 0\n");
    return top_ + path;
  }
  // The directory found for the membership, from the mount on; "none".
  std::string found(const std::string& membership) {
    char path[kLongestCgroupPath];
    const std::string file = write("/membership", membership);
    if (!find_cgroup(file.c_str(), top_.c_str(), path)) return "none";
    return std::string(path).substr(top_.size());
  }
  CgroupMemory memory() {
    CgroupMemory memory;
    EXPECT_TRUE(read_cgroup(top_.c_str(), memory));
    return memory;
  }

  std::string top_;
};

TEST_F(CgroupTest, IsFoundByItsPath) {
  make_cgroup("/system.slice/shop.service");
  EXPECT_EQ(found("0::/system.slice/shop.service\n"), "/system.slice/shop.service");
  EXPECT_EQ(found("9:memory:/elsewhere\n4:pids:/\n0::/system.slice/shop.service\n"),
            "/system.slice/shop.service");
}

TEST_F(CgroupTest, IsTheMountItselfInANamespace) {
  make_cgroup("");
  EXPECT_EQ(found("0::/\n"), "");
}

TEST_F(CgroupTest, IsFoundWhereTheHostsPathIsNotMountedWhole) {
  make_cgroup("/inner");
  EXPECT_EQ(found("0::/docker/0123456789abcdef/inner\n"), "/inner");
  make_cgroup("");
  EXPECT_EQ(found("0::/docker/0123456789abcdef\n"), "");
}

TEST_F(CgroupTest, IsNotFoundWhereThereIsNone) {
  EXPECT_EQ(found("0::/system.slice\n"), "none");
  make_cgroup("");
  EXPECT_EQ(found("4:memory:/a\n"), "none");
  EXPECT_EQ(found(""), "none");
  EXPECT_EQ(found("0::/cut/off"), "none");
  EXPECT_EQ(found("0::/../outside\n"), "none");
  EXPECT_EQ(found("0::/" + std::string(600, 'x') + "\n"), "none");
  char path[kLongestCgroupPath];
  EXPECT_FALSE(find_cgroup((top_ + "/no/such/file").c_str(), top_.c_str(), path));
}

TEST_F(CgroupTest, TheLowerLimitCounts) {
  write("/memory.current", "1048576\n");
  write("/memory.high", "max\n");
  write("/memory.max", "max\n");
  EXPECT_EQ(memory().current, kMiB);
  EXPECT_EQ(memory().limit, UINT64_MAX);
  write("/memory.max", "8388608\n");
  EXPECT_EQ(memory().limit, 8 * kMiB);
  write("/memory.high", "4194304\n");
  EXPECT_EQ(memory().limit, 4 * kMiB);
  write("/memory.max", "2097152\n");
  EXPECT_EQ(memory().limit, 2 * kMiB);
}

TEST_F(CgroupTest, FilesThatAreMissingOrNonsenseDoNoHarm) {
  CgroupMemory nothing;
  EXPECT_FALSE(read_cgroup(top_.c_str(), nothing));
  write("/memory.current", "5000000000\n");
  EXPECT_EQ(memory().limit, UINT64_MAX);
  EXPECT_EQ(memory().stalled, 0u);
  for (const char* nonsense : {"", "\n", "x", "-1\n", "maximum"}) {
    write("/memory.max", nonsense);
    EXPECT_EQ(memory().limit, UINT64_MAX) << nonsense;
  }
  write("/memory.max", "99999999999999999999999999\n");
  EXPECT_EQ(memory().limit, UINT64_MAX);
  for (const char* nonsense : {"", "some", "some ", "some avg10", "some avg10=", "some avg10=.\n",
                               "full avg10=99.00 avg60=1.00\n"}) {
    write("/memory.pressure", nonsense);
    EXPECT_EQ(memory().stalled, 0u) << nonsense;
  }
}

TEST_F(CgroupTest, PressureIsThatOfSome) {
  write("/memory.current", "1\n");
  write("/memory.pressure", "some avg10=12.34 avg60=0.00 avg300=0.00 total=1\n"
                            "full avg10=99.00 avg60=0.00 avg300=0.00 total=1\n");
  EXPECT_EQ(memory().stalled, 1234u);
  EXPECT_TRUE(is_stalled(memory()));
  write("/memory.pressure", "some avg10=9.99 avg60=50.00 avg300=0.00 total=1\n");
  EXPECT_EQ(memory().stalled, 999u);
  EXPECT_FALSE(is_stalled(memory()));
  write("/memory.pressure", "some avg10=100.00 avg60=0.00 avg300=0.00 total=1\n");
  EXPECT_EQ(memory().stalled, 10000u);
}

// What the page cache holds is the kernel's to take back.
TEST_F(CgroupTest, PagesOfFilesDoNotCount) {
  write("/memory.max", "1000000\n");
  write("/memory.stat", "anon 300000\nfile 650000\ninactive_anon 1\nactive_anon 2\n"
                        "inactive_file 400000\nactive_file 200000\n");
  write("/memory.current", "990000\n");
  EXPECT_EQ(memory().file, 600000u);
  EXPECT_EQ(cgroup_used(memory()), 390000u);
  write("/memory.current", "500000\n");
  EXPECT_EQ(memory().file, 0u) << "read though the limit is far";
  write("/memory.current", "950000\n");
  write("/memory.stat", "inactive_file 960000\n");
  EXPECT_EQ(cgroup_used(memory()), 0u);
}

TEST(CgroupThreshold, LiesBelowTheLimit) {
  CgroupMemory memory;
  memory.limit = 160;
  EXPECT_EQ(cgroup_threshold(memory), 150u);
  EXPECT_GT(cgroup_threshold(CgroupMemory{}), uint64_t{1} << 63);
}

TEST_F(CgroupTest, NothingIsLeftOpenAndErrnoIsKept) {
  const int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
  close(next);
  errno = 4711;
  char text[16];
  EXPECT_EQ(read_system_file("/no/such/file", text, sizeof text), 0u);
  EXPECT_EQ(errno, 4711);
  EXPECT_EQ(read_system_file(top_.c_str(), text, sizeof text), 0u);  // EISDIR
  EXPECT_EQ(errno, 4711);
  EXPECT_EQ(read_system_file("/proc/self/status", text, sizeof text), sizeof text);
  const int after = open("/dev/null", O_RDONLY | O_CLOEXEC);
  EXPECT_EQ(after, next);
  close(after);
}

}  // namespace
}  // namespace tenure
