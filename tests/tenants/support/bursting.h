// Tenants that meet their limit whenever they are told to.
#pragma once

#include <atomic>
#include <thread>

#include "tests/tenants/support/tenant_test.h"

namespace blackbox {

// A tenant each of whose meetings with its limit is a burst.
class Bursting {
public:
  explicit Bursting(const char* name, tenure_event_handler handler = nullptr,
                    void* argument = nullptr)
      : tenant_(name) {
    tenant_.limit(TENURE_MAX, kMiB);
    if (handler == nullptr) return;
    EXPECT_EQ(set(handler, argument), 0);
  }
  int set(tenure_event_handler handler, void* argument = nullptr) {
    return tenure_tenant_set_handler(tenant_, TENURE_EVENT_MAX, handler, argument);
  }
  void burst() { EXPECT_EQ(tenure_malloc(tenant_, 100 * kMiB), nullptr); }
  operator tenure_tenant*() const { return tenant_; }  // NOLINT(google-explicit-constructor)

private:
  Tenant tenant_;
};

// Threads each of which has the tenant meet its limit and then calls answer(), until this goes.
class BurstingThreads {
public:
  template <typename Answer>
  BurstingThreads(Bursting& bursting, Answer answer) {
    for (auto& thread : threads_) {
      thread = std::thread([this, &bursting, answer] {
        while (!stop_) {
          bursting.burst();
          answer();
        }
      });
    }
  }
  ~BurstingThreads() {
    stop_ = true;
    for (auto& thread : threads_) thread.join();
  }
  BurstingThreads(const BurstingThreads&) = delete;
  BurstingThreads& operator=(const BurstingThreads&) = delete;

private:
  std::atomic<bool> stop_{false};
  std::thread threads_[3];
};

}  // namespace blackbox
