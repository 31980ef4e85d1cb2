// Coroutines that carry their tenant from thread to thread.
#include "tenants.h"

#if defined(__cpp_impl_coroutine)

#include <array>
#include <atomic>
#include <condition_variable>
#include <coroutine>
#include <deque>
#include <exception>
#include <mutex>
#include <string>
#include <thread>

namespace {

using tenure::CarriesTenant;
using tenure::Scope;
using tenure::Tenant;

// Nobody owns it: it starts at once, and its frame goes when it ends.
struct Detached {
  struct promise_type : CarriesTenant {
    Detached get_return_object() { return {}; }
    auto initial_suspend() noexcept { return carry(std::suspend_never()); }
    auto final_suspend() noexcept { return carry(std::suspend_never()); }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }
  };
};

// Two threads that run what is scheduled: a coroutine goes on on either.
class Pool {
public:
  Pool() {
    for (auto& thread : threads_) thread = std::thread([this] { run(); });
  }
  ~Pool() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    changed_.notify_all();
    for (auto& thread : threads_) thread.join();
  }
  auto schedule() {
    struct Awaiter {
      Pool& pool;
      bool await_ready() const { return false; }
      void await_suspend(std::coroutine_handle<> coroutine) { pool.push(coroutine); }
      void await_resume() const {}
    };
    return Awaiter{*this};
  }

private:
  void push(std::coroutine_handle<> coroutine) {
    {
      const std::lock_guard lock(mutex_);
      queue_.push_back(coroutine);
    }
    changed_.notify_one();
  }
  void run() {
    for (;;) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return closed_ || !queue_.empty(); });
      if (queue_.empty()) return;
      const auto coroutine = queue_.front();
      queue_.pop_front();
      lock.unlock();
      coroutine.resume();
      EXPECT_TRUE(Tenant::current().is_root());
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::coroutine_handle<>> queue_;
  bool closed_ = false;
  std::array<std::thread, 2> threads_;
};

struct Tally {
  std::atomic<int> right{0};
  std::atomic<int> wrong{0};
};

Detached hop(Pool& pool, int hops, Tally& tally) {
  const Tenant home = Tenant::current();
  for (int i = 0; i < hops; ++i) {
    co_await pool.schedule();
    const auto block = api_test::block_of(50);
    const bool right = Tenant::current() == home && Tenant::owner(block.get()) == home;
    ++(right ? tally.right : tally.wrong);
  }
}

class CoroutineThreads : public api_test::WithTenant {};

TEST_F(CoroutineThreads, RunWithinTheTenantWhoeverResumes) {
  constexpr int kCoroutines = 20, kHops = 200;
  Tally tally;
  {
    Pool pool;
    for (int i = 0; i < kCoroutines; ++i) {
      const Tenant home = child("hop" + std::to_string(i));
      const Scope scope(home);
      hop(pool, kHops, tally);
      EXPECT_EQ(Tenant::current(), home);
    }
  }
  EXPECT_EQ(tally.right, kCoroutines * kHops);
  EXPECT_EQ(tally.wrong, 0);
}

}  // namespace

#endif
