// Coroutines that carry their tenant.
#include "tenants.h"

#if defined(__cpp_impl_coroutine)

#include <array>
#include <coroutine>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

using tenure::CarriesTenant;
using tenure::Scope;
using tenure::Task;
using tenure::Tenant;

class Coroutines : public api_test::WithTenant {
protected:
  // What `make` returns, created inside the tenant.
  template <class Make>
  auto inside(const Tenant& tenant, Make make) {
    const Scope scope(tenant);
    return make();
  }
};

Task<std::string> whereabouts() { co_return Tenant::current().path(); }

Task<> note_around_suspensions(std::vector<Tenant>& seen, int suspensions) {
  seen.push_back(Tenant::current());
  for (int i = 0; i < suspensions; ++i) {
    co_await std::suspend_always();
    seen.push_back(Tenant::current());
  }
}

TEST_F(Coroutines, RunInsideTheTenantOfTheirCreation) {
  std::vector<Tenant> seen;
  auto task = inside(tenant_, [&] { return note_around_suspensions(seen, 3); });
  EXPECT_TRUE(seen.empty());
  while (!task.done()) {
    EXPECT_TRUE(Tenant::current().is_root());
    task.resume();
  }
  EXPECT_TRUE(Tenant::current().is_root());
  EXPECT_EQ(seen, std::vector<Tenant>(4, tenant_));
}

TEST_F(Coroutines, LeaveTheirResumerWhereHeWas) {
  const Tenant resumer = child("resumer");
  std::vector<Tenant> seen;
  auto task = inside(tenant_, [&] { return note_around_suspensions(seen, 2); });
  const Scope scope(resumer);
  while (!task.done()) {
    task.resume();
    EXPECT_EQ(Tenant::current(), resumer);
  }
  EXPECT_EQ(seen, std::vector<Tenant>(3, tenant_));
}

TEST_F(Coroutines, GoOnOnAnotherThread) {
  std::vector<Tenant> seen;
  auto task = inside(tenant_, [&] { return note_around_suspensions(seen, 8); });
  while (!task.done()) {
    std::thread([&] {
      task.resume();
      EXPECT_TRUE(Tenant::current().is_root());
    }).join();
  }
  EXPECT_EQ(seen, std::vector<Tenant>(9, tenant_));
}

TEST_F(Coroutines, HaveTheirFramesInTheTenant) {
  std::vector<Tenant> seen;
  const auto task = inside(tenant_, [&] { return note_around_suspensions(seen, 1); });
  EXPECT_EQ(Tenant::owner(task.handle().address()), tenant_);
}

TEST_F(Coroutines, MayBeDestroyedWhileSuspended) {
  std::vector<Tenant> seen;
  {
    auto unstarted = inside(tenant_, [&] { return note_around_suspensions(seen, 1); });
    auto suspended = inside(tenant_, [&] { return note_around_suspensions(seen, 1); });
    suspended.resume();
  }
  EXPECT_TRUE(Tenant::current().is_root());
  EXPECT_EQ(seen.size(), 1u);
}

Task<std::string> ask_two(const Tenant& other) {
  auto theirs = [&] {
    const Scope scope(other);
    return whereabouts();
  }();
  std::string all = co_await whereabouts();
  all += " " + co_await std::move(theirs);
  all += " " + Tenant::current().path();
  co_return all;
}

TEST_F(Coroutines, AwaitOthersOfTheirOwnAndOfOtherTenants) {
  const Tenant other = child("other");
  auto task = inside(tenant_, [&] { return ask_two(other); });
  task.resume();
  ASSERT_TRUE(task.done());
  EXPECT_EQ(task.result(), tenant_.path() + " " + other.path() + " " + tenant_.path());
}

Task<int> deep(int depth) {
  if (depth == 0) co_return 0;
  co_return 1 + co_await deep(depth - 1);
}

TEST_F(Coroutines, NestDeeply) {
  auto task = inside(tenant_, [] { return deep(100); });
  task.resume();
  EXPECT_EQ(task.result(), 100);
  EXPECT_TRUE(Tenant::current().is_root());
}

Task<> thrower() {
  co_await std::suspend_never();
  throw std::runtime_error("inner");
}

Task<Tenant> catcher() {
  try {
    co_await thrower();
  } catch (const std::runtime_error&) {
    co_return Tenant::current();
  }
  co_return Tenant();
}

TEST_F(Coroutines, PassExceptionsOn) {
  auto task = inside(tenant_, catcher);
  task.resume();
  EXPECT_EQ(task.result(), tenant_);
  auto failing = inside(tenant_, thrower);
  failing.resume();
  EXPECT_TRUE(Tenant::current().is_root());
  EXPECT_THROW(failing.result(), std::runtime_error);
}

// Awaiters of all shapes. Each says in which tenant its parts ran.
struct Trace {
  Tenant ready, suspend, resume;
};

template <class Result, Result kResult>
struct Suspender {
  Trace& trace;
  bool await_ready() {
    trace.ready = Tenant::current();
    return false;
  }
  Result await_suspend(std::coroutine_handle<>) {
    trace.suspend = Tenant::current();
    return kResult;
  }
  int await_resume() {
    trace.resume = Tenant::current();
    return 5;
  }
};
using GoesOn = Suspender<bool, false>;
using Stops = Suspender<bool, true>;

struct Throws {
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<>) { throw std::runtime_error("suspend"); }
  void await_resume() {}
};

struct ByMember {
  Trace& trace;
  GoesOn operator co_await() && { return GoesOn{trace}; }
};

struct ByFree {
  Trace& trace;
};
GoesOn operator co_await(ByFree&& source) { return GoesOn{source.trace}; }

// Cannot be moved; refers to itself.
struct Immovable {
  Immovable() = default;
  Immovable(const Immovable&) = delete;
  Immovable& operator=(const Immovable&) = delete;
  bool await_ready() const { return self == this; }
  void await_suspend(std::coroutine_handle<>) {}
  const Immovable* await_resume() const { return self; }
  const Immovable* self = this;
};
struct MakesImmovable {
  Immovable operator co_await() const { return {}; }
};

Task<int> await_all(std::array<Trace, 4>& traces) {
  int sum = co_await GoesOn{traces[0]};
  Stops stops{traces[1]};
  sum += co_await stops;
  sum += co_await ByMember{traces[2]};
  sum += co_await ByFree{traces[3]};
  co_return sum;
}

TEST_F(Coroutines, AwaitAllShapesOfAwaiters) {
  std::array<Trace, 4> traces;
  auto task = inside(tenant_, [&] { return await_all(traces); });
  task.resume();
  EXPECT_FALSE(task.done());
  EXPECT_TRUE(Tenant::current().is_root());
  task.resume();
  ASSERT_TRUE(task.done());
  EXPECT_EQ(task.result(), 20);
  for (const Trace& trace : traces) {
    EXPECT_EQ(trace.ready, tenant_);
    EXPECT_TRUE(trace.suspend.is_root());
    EXPECT_EQ(trace.resume, tenant_);
  }
  EXPECT_TRUE(Tenant::current().is_root());
}

Task<Tenant> survive_throwing_suspend() {
  try {
    co_await Throws();
  } catch (const std::runtime_error&) {
    co_return Tenant::current();
  }
  co_return Tenant();
}

TEST_F(Coroutines, StayInsideWhenSuspendingThrows) {
  auto task = inside(tenant_, survive_throwing_suspend);
  task.resume();
  ASSERT_TRUE(task.done());
  EXPECT_EQ(task.result(), tenant_);
  EXPECT_TRUE(Tenant::current().is_root());
}

Task<bool> await_immovable() {
  Immovable local;
  const bool first = co_await local == &local;
  const bool second = co_await MakesImmovable() != nullptr;
  co_return first&& second;
}

TEST_F(Coroutines, AwaitWhatCannotBeMoved) {
  auto task = inside(tenant_, await_immovable);
  task.resume();
  ASSERT_TRUE(task.done());
  EXPECT_TRUE(task.result());
}

// A generator: what the language does not pass through await_transform goes through carry().
class Numbers {
public:
  struct promise_type : CarriesTenant {
    int value = 0;
    Numbers get_return_object() { return Numbers(Handle::from_promise(*this)); }
    auto initial_suspend() noexcept { return carry(std::suspend_never()); }
    auto final_suspend() noexcept { return carry(std::suspend_always()); }
    auto yield_value(int next) noexcept {
      value = next;
      return carry(std::suspend_always());
    }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }
  };
  using Handle = std::coroutine_handle<promise_type>;

  explicit Numbers(Handle handle) : handle_(handle) {}
  Numbers(Numbers&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  ~Numbers() {
    if (handle_) handle_.destroy();
  }
  int value() const { return handle_.promise().value; }
  bool next() {
    handle_.resume();
    return !handle_.done();
  }

private:
  Handle handle_;
};

Numbers ids_of_current(int count) {
  for (int i = 0; i < count; ++i) co_yield static_cast<int>(Tenant::current().id());
}

TEST_F(Coroutines, CarryThroughYields) {
  auto numbers = inside(tenant_, [] { return ids_of_current(3); });
  int count = 0;
  do {
    EXPECT_EQ(numbers.value(), static_cast<int>(tenant_.id()));
    EXPECT_TRUE(Tenant::current().is_root());
    ++count;
  } while (numbers.next());
  EXPECT_EQ(count, 3);
}

}  // namespace

#endif
