// Eventfds at their edges: replaced while they are written to, and full.

#include <atomic>
#include <fcntl.h>
#include <limits.h>
#include <optional>
#include <string>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include "tests/blackbox/support/clock.h"
#include "tests/tenants/support/bursting.h"
#include "tests/tenants/support/ending.h"

namespace blackbox {
namespace {

using EventfdTest = TenantTest;

// While others meet the limit all the time. A descriptor that is closed once it has been replaced is
// another file's number the next moment.
TEST_F(EventfdTest, NothingIsWrittenToAnEventfdThatWasReplaced) {
  Bursting bursting("bursting");
  std::optional<BurstingThreads> threads(std::in_place, bursting,
                                         [&] { tenure_tenant_read_events(bursting); });
  const std::string name = testing::TempDir() + "tenure-events-" + std::to_string(getpid());
  const int file = open(name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  ASSERT_GE(file, 0);
  close(file);
  int rounds = 0;
  off_t written = 0;
  for (const Deadline end(scaled(1)); !end.passed() && written == 0; ++rounds) {
    const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    EXPECT_EQ(tenure_tenant_set_eventfd(bursting, fd, ~0u), 0);
    usleep(10);
    EXPECT_EQ(tenure_tenant_set_eventfd(bursting, -1, 0), 0);
    close(fd);
    const int foreign = open(name.c_str(), O_RDWR | O_CLOEXEC);
    usleep(20);
    struct stat now = {};
    EXPECT_EQ(fstat(foreign, &now), 0);
    written = now.st_size;
    close(foreign);
  }
  threads.reset();
  unlink(name.c_str());
  EXPECT_EQ(written, 0) << "in round " << rounds;
}

// Whoever it belongs to, and whether it would block or not.
TEST_F(EventfdTest, AFullDescriptorBlocksNobody) {
  const Ending child = ending_of([] {
    alarm(10);
    Tenant tenant("tenant");
    tenant.limit(TENURE_MAX, kMiB);
    const int fd = eventfd(0, EFD_CLOEXEC);
    const uint64_t most = UINT64_MAX - 1;
    REQUIRE(write(fd, &most, sizeof most) == sizeof most, "write: %s", strerror(errno));
    REQUIRE(tenure_tenant_set_eventfd(tenant, fd, ~0u) == 0, "set");
    REQUIRE(tenure_malloc(tenant, 100 * kMiB) == nullptr, "granted");
    uint64_t value = 0;
    REQUIRE(read(fd, &value, sizeof value) == sizeof value && value == most, "%lu", value);
    tenure_tenant_read_events(tenant);
    REQUIRE(tenure_malloc(tenant, 100 * kMiB) == nullptr, "granted");
    REQUIRE(read(fd, &value, sizeof value) == sizeof value && value == 1, "%lu", value);
  });
  EXPECT_EQ(child.status, 0) << child.err;
}

// A wrong number is found when it is given, not by the events that never come.
TEST_F(EventfdTest, OnlyAnEventfdIsTaken) {
  Tenant tenant("tenant");
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const int file = open("/dev/null", O_WRONLY | O_CLOEXEC);
  const int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  errno = 0;
  for (const int other : {ends[0], ends[1], file, timer})
    EXPECT_EQ(tenure_tenant_set_eventfd(tenant, other, ~0u), -EINVAL) << other;
  for (const int other : {ends[0], ends[1], file, timer}) close(other);
  for (const int closed : {ends[0], file, 1'000'000, INT_MAX})
    EXPECT_EQ(tenure_tenant_set_eventfd(tenant, closed, ~0u), -EBADF) << closed;
  EXPECT_EQ(errno, 0);
  const int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  EXPECT_EQ(tenure_tenant_set_eventfd(tenant, fd, ~0u), 0);
  uint64_t value = 0;
  EXPECT_EQ(read(fd, &value, sizeof value), -1) << "looking at it has changed nothing";
  // One that is refused leaves the one before.
  EXPECT_EQ(tenure_tenant_set_eventfd(tenant, INT_MAX, ~0u), -EBADF);
  tenant.limit(TENURE_MAX, kMiB);
  EXPECT_EQ(tenure_malloc(tenant, 100 * kMiB), nullptr);
  EXPECT_EQ(read(fd, &value, sizeof value), ssize_t(sizeof value));
  EXPECT_EQ(tenure_tenant_set_eventfd(tenant, -1, 0), 0);
  close(fd);
}

}  // namespace
}  // namespace blackbox
