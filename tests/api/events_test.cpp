// Events of a tenant: by eventfd, and by handlers from tenure_checkpoint().
#include "tenants.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <new>

namespace {

using api_test::block_of;
using api_test::kMiB;
using tenure::Scope;
using tenure::Tenant;

class Events : public api_test::WithTenant {};

class EventDescriptor {
public:
  EventDescriptor() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
  ~EventDescriptor() { close(fd_); }
  EventDescriptor(const EventDescriptor&) = delete;
  EventDescriptor& operator=(const EventDescriptor&) = delete;
  int get() const { return fd_; }
  // Whether it was readable; it is not any more.
  bool take() const {
    eventfd_t value = 0;
    return eventfd_read(fd_, &value) == 0;
  }

private:
  int fd_;
};

TEST_F(Events, HighMakesTheEventfdReadable) {
  const EventDescriptor descriptor;
  tenant_.set_limit(TENURE_HIGH, 4 * kMiB);
  tenant_.set_eventfd(descriptor.get(), TENURE_EVENT_BIT(TENURE_EVENT_HIGH));
  EXPECT_FALSE(descriptor.take());
  {
    const Scope scope(tenant_);
    const auto block = block_of(8 * kMiB);
    EXPECT_TRUE(descriptor.take());
  }
  EXPECT_EQ(tenant_.read_events(), TENURE_EVENT_BIT(TENURE_EVENT_HIGH));
  EXPECT_EQ(tenant_.read_events(), 0u);
  tenant_.set_eventfd(-1, 0);
}

TEST_F(Events, ComeOnceUntilTheyAreRead) {
  const EventDescriptor descriptor;
  tenant_.set_limit(TENURE_MAX, 4 * kMiB);
  tenant_.set_eventfd(descriptor.get(), TENURE_EVENT_BIT(TENURE_EVENT_MAX));
  const Scope scope(tenant_);
  EXPECT_THROW(block_of(8 * kMiB), std::bad_alloc);
  EXPECT_TRUE(descriptor.take());
  EXPECT_THROW(block_of(8 * kMiB), std::bad_alloc);
  EXPECT_FALSE(descriptor.take());
  EXPECT_EQ(tenant_.read_events(), TENURE_EVENT_BIT(TENURE_EVENT_MAX));
  EXPECT_THROW(block_of(8 * kMiB), std::bad_alloc);
  EXPECT_TRUE(descriptor.take());
  tenant_.set_eventfd(-1, 0);
}

struct Calls {
  int count = 0;
  struct tenure_tenant* tenant = nullptr;
  enum tenure_event event = TENURE_EVENT_LOW;
  Tenant inside;
};

void note(struct tenure_tenant* tenant, enum tenure_event event, void* argument) {
  auto& calls = *static_cast<Calls*>(argument);
  ++calls.count;
  calls.tenant = tenant;
  calls.event = event;
  calls.inside = Tenant::current();
}

TEST_F(Events, HandlersRunAtCheckpoints) {
  Calls calls;
  tenant_.set_limit(TENURE_MAX, 4 * kMiB);
  tenant_.set_handler(TENURE_EVENT_MAX, note, &calls);
  {
    const Scope scope(tenant_);
    EXPECT_THROW(block_of(8 * kMiB), std::bad_alloc);
    EXPECT_EQ(calls.count, 0);
    EXPECT_EQ(tenure_checkpoint(), 1);
    EXPECT_EQ(tenure_checkpoint(), 0);
  }
  EXPECT_EQ(calls.count, 1);
  EXPECT_EQ(calls.tenant, tenant_.get());
  EXPECT_EQ(calls.event, TENURE_EVENT_MAX);
  EXPECT_TRUE(calls.inside.is_root());

  tenant_.set_handler(TENURE_EVENT_MAX, nullptr, nullptr);
  const Scope scope(tenant_);
  EXPECT_THROW(block_of(8 * kMiB), std::bad_alloc);
  EXPECT_EQ(tenure_checkpoint(), 0);
  EXPECT_EQ(calls.count, 1);
}

}  // namespace
