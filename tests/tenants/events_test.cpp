// Events: eventfd, handlers, checkpoints.

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/tenants/support/tenant_test.h"

namespace blackbox {
namespace {

class EventsTest : public TenantTest {
protected:
  void SetUp() override {
    fd_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    ASSERT_GE(fd_, 0);
  }
  void TearDown() override {
    close(fd_);
    TenantTest::TearDown();
  }
  bool readable() const {
    pollfd poll_fd = {fd_, POLLIN, 0};
    return poll(&poll_fd, 1, 0) == 1;
  }
  void consume() const {
    uint64_t count = 0;
    ASSERT_EQ(read(fd_, &count, sizeof count), ssize_t(sizeof count));
  }

  int fd_ = -1;
};

void meet_max(tenure_tenant* tenant) { EXPECT_EQ(tenure_malloc(tenant, 100 * kMiB), nullptr); }

void cross_high(tenure_tenant* tenant) {
  void* block = tenure_malloc(tenant, 500 * kKiB);
  EXPECT_NE(block, nullptr);
  free(block);
  settled_usage(tenant);
}

struct Calls {
  std::vector<tenure_event> events;
  std::vector<uint32_t> ids;
  void* block = nullptr;
};

void record(tenure_tenant* tenant, tenure_event event, void* argument) {
  auto* calls = static_cast<Calls*>(argument);
  calls->events.push_back(event);
  calls->ids.push_back(tenure_tenant_id(tenant));
}

struct Cancelled {
  tenure_tenant* tenant;
  int null;
  bool finished;
};

// What of these acted on the request would leave the library in the midst of an allocation.
void* work_cancelled(void* argument) {
  auto* work = static_cast<Cancelled*>(argument);
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);
  pthread_cancel(pthread_self());
  pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, nullptr);
  cross_high(work->tenant);
  meet_max(work->tenant);
  tenure_stats_print(work->null, 0);
  work->finished = true;
  pthread_testcancel();
  return nullptr;
}

TEST_F(EventsTest, NothingIsACancellationPoint) {
  Tenant tenant("tenant");
  tenant.limit(TENURE_HIGH, 100 * kKiB);
  tenant.limit(TENURE_MAX, kMiB);
  ASSERT_EQ(tenure_tenant_set_eventfd(tenant, fd_,
                                      TENURE_EVENT_BIT(TENURE_EVENT_HIGH) |
                                          TENURE_EVENT_BIT(TENURE_EVENT_MAX)),
            0);
  Cancelled work{tenant, open("/dev/null", O_WRONLY | O_CLOEXEC), false};
  ASSERT_GE(work.null, 0);
  pthread_t thread;
  ASSERT_EQ(pthread_create(&thread, nullptr, work_cancelled, &work), 0);
  void* result = nullptr;
  ASSERT_EQ(pthread_join(thread, &result), 0);
  EXPECT_TRUE(work.finished);
  EXPECT_EQ(result, PTHREAD_CANCELED);
  EXPECT_TRUE(readable());
  close(work.null);
}

TEST_F(EventsTest, EventfdTellsOnceUntilRead) {
  Tenant tenant("tenant");
  tenant.limit(TENURE_MAX, kMiB);
  ASSERT_EQ(tenure_tenant_set_eventfd(tenant, fd_, TENURE_EVENT_BIT(TENURE_EVENT_MAX)), 0);
  EXPECT_EQ(tenure_tenant_read_events(tenant), 0u);
  EXPECT_FALSE(readable());
  meet_max(tenant);
  ASSERT_TRUE(readable());
  consume();
  meet_max(tenant);
  EXPECT_FALSE(readable()) << "told again before it was read";
  EXPECT_EQ(tenure_tenant_read_events(tenant), TENURE_EVENT_BIT(TENURE_EVENT_MAX));
  EXPECT_EQ(tenure_tenant_read_events(tenant), 0u);
  meet_max(tenant);
  EXPECT_TRUE(readable());
  EXPECT_GE(tenant.events(TENURE_EVENT_MAX), 3u);
  ASSERT_EQ(tenure_tenant_set_eventfd(tenant, -1, 0), 0);
}

TEST_F(EventsTest, EventfdTellsWhatItWasAskedFor) {
  Tenant tenant("tenant");
  tenant.limit(TENURE_MAX, kMiB);
  tenant.limit(TENURE_HIGH, 100 * kKiB);
  ASSERT_EQ(tenure_tenant_set_eventfd(tenant, fd_, TENURE_EVENT_BIT(TENURE_EVENT_HIGH)), 0);
  meet_max(tenant);
  EXPECT_FALSE(readable());
  cross_high(tenant);
  EXPECT_TRUE(readable());
  EXPECT_EQ(tenure_tenant_read_events(tenant), TENURE_EVENT_BIT(TENURE_EVENT_HIGH));
  consume();
  ASSERT_EQ(tenure_tenant_set_eventfd(tenant, -1, ~0u), 0);
  meet_max(tenant);
  cross_high(tenant);
  EXPECT_FALSE(readable());
}

TEST_F(EventsTest, EventsAreThoseOfTheTenantWhoseLimitItWas) {
  Tenant top("top"), below("below", top);
  top.limit(TENURE_MAX, kMiB);
  ASSERT_EQ(tenure_tenant_set_eventfd(below, fd_, ~0u), 0);
  meet_max(below);
  EXPECT_FALSE(readable());
  ASSERT_EQ(tenure_tenant_set_eventfd(below, -1, 0), 0);
  ASSERT_EQ(tenure_tenant_set_eventfd(top, fd_, ~0u), 0);
  meet_max(below);
  EXPECT_TRUE(readable());
  ASSERT_EQ(tenure_tenant_set_eventfd(top, -1, 0), 0);
}

TEST_F(EventsTest, OverdrawnEventTells) {
  Tenant tenant("tenant");
  tenant.policy(TENURE_EVENT);
  tenant.limit(TENURE_MAX, 0);
  ASSERT_EQ(tenure_tenant_set_eventfd(tenant, fd_, TENURE_EVENT_BIT(TENURE_EVENT_OVERDRAW)), 0);
  free(tenure_malloc(tenant, kMiB));
  EXPECT_TRUE(readable());
  ASSERT_EQ(tenure_tenant_set_eventfd(tenant, -1, 0), 0);
}

TEST_F(EventsTest, HandlersRunAtCheckpointsOncePerBurst) {
  Tenant tenant("tenant");
  tenant.limit(TENURE_MAX, kMiB);
  Calls calls;
  ASSERT_EQ(tenure_tenant_set_handler(tenant, TENURE_EVENT_MAX, record, &calls), 0);
  EXPECT_EQ(tenure_checkpoint(), 0);
  for (int i = 0; i < 5; ++i) meet_max(tenant);
  EXPECT_TRUE(calls.events.empty()) << "called from malloc";
  EXPECT_EQ(tenure_checkpoint(), 1);
  EXPECT_EQ(calls.events, std::vector<tenure_event>{TENURE_EVENT_MAX});
  EXPECT_EQ(calls.ids, std::vector<uint32_t>{tenure_tenant_id(tenant)});
  EXPECT_EQ(tenure_checkpoint(), 0);
  meet_max(tenant);
  EXPECT_EQ(tenure_checkpoint(), 1);
  ASSERT_EQ(tenure_tenant_set_handler(tenant, TENURE_EVENT_MAX, nullptr, nullptr), 0);
  meet_max(tenant);
  EXPECT_EQ(tenure_checkpoint(), 0);
  EXPECT_EQ(calls.events.size(), 2u);
  EXPECT_EQ(tenure_tenant_set_handler(tenant, tenure_event(99), record, &calls), -EINVAL);
}

TEST_F(EventsTest, HandlersRunAtTheEndOfControlOperations) {
  Tenant tenant("tenant");
  tenant.limit(TENURE_MAX, kMiB);
  Calls calls;
  ASSERT_EQ(tenure_tenant_set_handler(tenant, TENURE_EVENT_MAX, record, &calls), 0);
  meet_max(tenant);
  EXPECT_TRUE(calls.events.empty());
  Tenant another("another");
  EXPECT_EQ(calls.events.size(), 1u);
}

TEST_F(EventsTest, WhatHandlersAllocateIsTheRoots) {
  Tenant tenant("tenant");
  tenant.limit(TENURE_MAX, kMiB);
  Calls calls;
  const auto allocate = [](tenure_tenant*, tenure_event, void* argument) {
    static_cast<Calls*>(argument)->block = malloc(100);
    // A handler may use the API.
    Tenant made("made-by-handler");
  };
  ASSERT_EQ(tenure_tenant_set_handler(tenant, TENURE_EVENT_MAX, allocate, &calls), 0);
  meet_max(tenant);
  {
    Inside inside(tenant);
    EXPECT_EQ(tenure_checkpoint(), 1);
    EXPECT_EQ(tenure_tenant_id(tenure_current()), tenure_tenant_id(tenant));
  }
  ASSERT_NE(calls.block, nullptr);
  EXPECT_EQ(owner_id(calls.block), 0u);
  free(calls.block);
}

TEST_F(EventsTest, CheckpointAboveHighGivesUpCaches) {
  Tenant top("top"), below("below", top);
  Blocks blocks;
  blocks.add_many(below, 200, 20000);
  blocks.clear();
  blocks.add_many(below, 100 * kKiB, 20);
  // Crossed upwards without the caches having been in the way.
  Inside inside(below);
  top.limit(TENURE_HIGH, kMiB);
  EXPECT_EQ(tenure_checkpoint(), 0);
  EXPECT_LE(top.usage(), 20 * 128 * kKiB);
  EXPECT_GE(top.usage(), 20 * 100 * kKiB);
}

TEST_F(EventsTest, HandlerOfADepartedTenant) {
  Calls calls;
  {
    Tenant tenant("tenant");
    tenant.limit(TENURE_MAX, kMiB);
    ASSERT_EQ(tenure_tenant_set_handler(tenant, TENURE_EVENT_MAX, record, &calls), 0);
    ASSERT_EQ(tenure_tenant_set_eventfd(tenant, fd_, ~0u), 0);
    meet_max(tenant);
  }
  // Whether it ran or not, it runs no more once the tenant has gone.
  tenure_checkpoint();
  tenure_reap();
  EXPECT_LE(calls.events.size(), 1u);
}

// As memory.events.local and memory.events.
TEST_F(EventsTest, OwnAndOfTheSubtree) {
  Tenant shop("shop"), acme("acme", shop), other("other", shop);
  const auto below = [](const Tenant& tenant) {
    return tenant.stats().subtree_events[TENURE_EVENT_MAX];
  };
  const size_t before = stats_of(tenure_root()).subtree_events[TENURE_EVENT_MAX];
  acme.limit(TENURE_MAX, kMiB);
  shop.limit(TENURE_MAX, 3 * kMiB);
  EXPECT_EQ(tenure_malloc(acme, 2 * kMiB), nullptr);
  EXPECT_EQ(tenure_malloc(other, 4 * kMiB), nullptr);
  EXPECT_EQ(acme.events(TENURE_EVENT_MAX), 1u);
  EXPECT_EQ(below(acme), 1u);
  EXPECT_EQ(other.events(TENURE_EVENT_MAX), 0u);
  EXPECT_EQ(below(other), 0u);
  EXPECT_EQ(shop.events(TENURE_EVENT_MAX), 1u);
  EXPECT_EQ(below(shop), 2u);
  EXPECT_EQ(stats_of(tenure_root()).events[TENURE_EVENT_MAX], 0u) << "the root has no limit";
  EXPECT_EQ(stats_of(tenure_root()).subtree_events[TENURE_EVENT_MAX], before + 2);
  acme.offline();
  EXPECT_EQ(below(shop), 2u) << "what has happened has happened";
}

// A program that was built before there were any gets what it knows.
TEST_F(EventsTest, AnOlderStructIsFilledAsFarAsItGoes) {
  Tenant tenant("tenant");
  TenantStats stats;
  memset(&stats, 0x77, sizeof stats);
  stats.struct_size = offsetof(TenantStats, subtree_events);
  EXPECT_EQ(tenure_tenant_stats(tenant, &stats), 0);
  EXPECT_EQ(stats.struct_size, offsetof(TenantStats, subtree_events));
  EXPECT_EQ(stats.events[0], 0u);
  EXPECT_EQ(stats.subtree_events[0], 0x7777777777777777u);
}

}  // namespace
}  // namespace blackbox
