// Scopes, captured scopes, bound callables.
#include "tenants.h"

#include <atomic>
#include <functional>
#include <stdexcept>
#include <thread>
#include <vector>

namespace {

using api_test::block_of;
using api_test::kMiB;
using tenure::bind;
using tenure::BindingExecutor;
using tenure::Captured;
using tenure::Scope;
using tenure::Tenant;

class Scopes : public api_test::WithTenant {};

template <class F>
void on_another_thread(F&& f) {
  std::thread(std::forward<F>(f)).join();
}

TEST_F(Scopes, NestAndAreLeft) {
  const Tenant inner_tenant = child("inner");
  EXPECT_TRUE(Tenant::current().is_root());
  {
    const Scope outer(own);
    EXPECT_EQ(Tenant::current(), own);
    {
      const Scope inner(inner_tenant);
      EXPECT_EQ(Tenant::current(), inner_tenant);
      const Tenant root = Tenant::root();
      const Scope innermost(root);
      EXPECT_TRUE(Tenant::current().is_root());
    }
    EXPECT_EQ(Tenant::current(), own);
  }
  EXPECT_TRUE(Tenant::current().is_root());
}

TEST_F(Scopes, AreLeftByExceptions) {
  EXPECT_THROW(
      {
        const Scope scope(own);
        throw std::runtime_error("out");
      },
      std::runtime_error);
  EXPECT_TRUE(Tenant::current().is_root());
}

TEST_F(Scopes, BelongToOneThread) {
  const Scope scope(own);
  Tenant there = own;
  on_another_thread([&] { there = Tenant::current(); });
  EXPECT_TRUE(there.is_root());
}

TEST_F(Scopes, OfDurableTenantsAreInherited) {
  const Tenant durable = child("durable", TENURE_DURABLE);
  const Scope scope(durable);
  Tenant there;
  on_another_thread([&] { there = Tenant::current(); });
  EXPECT_EQ(there, durable);
}

Captured capture_inside(const Tenant& tenant) {
  const Scope scope(tenant);
  return {};
}

TEST_F(Scopes, AreCapturedForAnotherThread) {
  const Captured captured = capture_inside(own);
  EXPECT_TRUE(Tenant::current().is_root());
  on_another_thread([&] {
    for (int i = 0; i < 2; ++i) {
      const Scope scope(captured);
      EXPECT_EQ(Tenant::current(), own);
    }
    EXPECT_TRUE(Tenant::current().is_root());
  });
}

TEST_F(Scopes, CapturedAreCopiedMovedAndAssigned) {
  Captured captured = capture_inside(own);
  const Captured copy = captured;
  Captured moved = std::move(captured);
  captured = Captured();
  for (const Captured* each : {&copy, &std::as_const(moved)}) {
    const Scope scope(*each);
    EXPECT_EQ(Tenant::current(), own);
  }
  moved = captured;
  const Scope scope(moved);
  EXPECT_TRUE(Tenant::current().is_root());
}

TEST_F(Scopes, CapturedKeepTheirTenantAfterItsHandles) {
  const auto captured = [this] {
    Tenant gone = child("gone");
    Captured inside = capture_inside(gone);
    gone.offline();
    return inside;
  }();
  tenure_reap();
  const Scope scope(captured);
  const auto block = block_of(kMiB);
  EXPECT_EQ(Tenant::owner(block.get()), own);
}

TEST_F(Scopes, BoundCallablesRunInside) {
  const Scope scope(own);
  auto bound = bind([](int a, int b) {
    EXPECT_STREQ(Tenant::current().name(), "BoundCallablesRunInside");
    return a + b;
  });
  const Tenant root = Tenant::root();
  const Scope elsewhere(root);
  EXPECT_EQ(bound(1, 2), 3);
  EXPECT_EQ(std::as_const(bound)(1, 2), 3);
  on_another_thread([&] {
    EXPECT_EQ(bound(3, 4), 7);
    EXPECT_TRUE(Tenant::current().is_root());
  });
  EXPECT_TRUE(Tenant::current().is_root());
}

TEST_F(Scopes, BoundCallablesKeepReferencesAndMoveOnlyState) {
  int value = 1;
  auto refer = bind([&value]() -> int& { return value; });
  refer() = 2;
  EXPECT_EQ(value, 2);
  auto own = bind([owned = std::make_unique<int>(3)]() mutable { return (*owned)++; });
  auto moved = std::move(own);
  EXPECT_EQ(moved(), 3);
  EXPECT_EQ(moved(), 4);
}

TEST_F(Scopes, BoundCallablesFitStdFunction) {
  std::function<Tenant()> function;
  {
    const Scope scope(own);
    function = bind([] { return Tenant::current(); });
  }
  const std::function<Tenant()> copy = function;
  function = nullptr;
  EXPECT_EQ(copy(), own);
}

TEST_F(Scopes, BoundCallablesLeaveByExceptions) {
  const auto bound = [this] {
    const Scope scope(own);
    return bind([] { throw std::runtime_error("out"); });
  }();
  EXPECT_THROW(bound(), std::runtime_error);
  EXPECT_TRUE(Tenant::current().is_root());
}

TEST_F(Scopes, ExecutorsBindWhatIsSubmitted) {
  std::vector<std::function<void()>> queue;
  BindingExecutor submit([&queue](auto task) { queue.emplace_back(std::move(task)); });
  const Tenant other = child("other");
  std::vector<Tenant> ran_in;
  for (const Tenant* tenant : {&std::as_const(own), &other}) {
    const Scope scope(*tenant);
    submit([&ran_in] { ran_in.push_back(Tenant::current()); });
  }
  on_another_thread([&] {
    for (auto& task : queue) task();
  });
  EXPECT_EQ(ran_in, (std::vector<Tenant>{own, other}));
}

TEST_F(Scopes, ManyThreadsCaptureAndRestore) {
  const Captured captured = capture_inside(own);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads(4);
  for (auto& thread : threads) {
    thread = std::thread([&] {
      for (int i = 0; i < 2000; ++i) {
        Captured copy = captured;
        const Captured moved = std::move(copy);
        const Scope scope(moved);
        const auto block = block_of(100);
        if (Tenant::current() != own || Tenant::owner(block.get()) != own) ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
