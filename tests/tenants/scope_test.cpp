// The current tenant: entering, capturing, inheriting, and a tenant that goes while threads are
// inside.

#include <atomic>
#include <memory>
#include <pthread.h>
#include <signal.h>
#include <string>
#include <sys/time.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "tests/tenants/support/tenant_test.h"

namespace blackbox {
namespace {

using ScopeTest = TenantTest;

uint32_t current_id() { return tenure_tenant_id(tenure_current()); }

uint32_t id_of_new_block(size_t size = 100) {
  void* block = malloc(size);
  const uint32_t id = owner_id(block);
  free(block);
  return id;
}

TEST_F(ScopeTest, Nests) {
  Tenant a("a"), b("b"), below("below", a);
  EXPECT_EQ(tenure_current(), tenure_root());
  {
    Inside in_a(a);
    EXPECT_EQ(tenure_current(), static_cast<tenure_tenant*>(a));
    EXPECT_EQ(id_of_new_block(), tenure_tenant_id(a));
    {
      Inside in_below(below);
      Inside in_b(b);
      EXPECT_EQ(id_of_new_block(), tenure_tenant_id(b));
      {
        Inside in_root(tenure_root());
        EXPECT_EQ(tenure_current(), tenure_root());
        EXPECT_EQ(id_of_new_block(), 0u);
        Inside again(b);
        EXPECT_EQ(current_id(), tenure_tenant_id(b));
      }
      EXPECT_EQ(current_id(), tenure_tenant_id(b));
    }
    EXPECT_EQ(current_id(), tenure_tenant_id(a));
  }
  EXPECT_EQ(tenure_current(), tenure_root());
  tenure_scope outer[1000];
  for (size_t i = 0; i < 1000; ++i)
    outer[i] =
        tenure_enter(i % 3 == 0 ? static_cast<tenure_tenant*>(a) : static_cast<tenure_tenant*>(b));
  for (size_t i = 1000; i-- > 0;) {
    EXPECT_EQ(current_id(), tenure_tenant_id(i % 3 == 0 ? a : b));
    tenure_leave(outer[i]);
  }
  EXPECT_EQ(tenure_current(), tenure_root());
}

TEST_F(ScopeTest, IsTheThreadsOwn) {
  Tenant a("a");
  Inside inside(a);
  std::thread([] {
    EXPECT_EQ(tenure_current(), tenure_root()) << "a request scope is not inherited";
    EXPECT_EQ(id_of_new_block(), 0u);
  }).join();
}

TEST_F(ScopeTest, CoversNewAndDelete) {
  Tenant a("a");
  std::unique_ptr<std::string> text;
  std::vector<int>* list = nullptr;
  {
    Inside inside(a);
    text = std::make_unique<std::string>(5000, 'x');
    list = new std::vector<int>(100000);
  }
  EXPECT_EQ(owner_id(text.get()), tenure_tenant_id(a));
  EXPECT_EQ(owner_id(text->data()), tenure_tenant_id(a));
  EXPECT_EQ(owner_id(list->data()), tenure_tenant_id(a));
  EXPECT_GE(a.usage(), 405000u);
  text.reset();
  delete list;
  EXPECT_EQ(a.settled(), 0u);
}

Tenant* for_handler;

TEST_F(ScopeTest, HandlerThatEntersIsInvisible) {
  Tenant a("a"), b("b");
  for_handler = &b;
  struct sigaction action = {}, old;
  action.sa_handler = [](int) {
    Inside inside(*for_handler);
    free(malloc(64));
  };
  ASSERT_EQ(sigaction(SIGALRM, &action, &old), 0);
  itimerval timer = {{0, 200}, {0, 200}}, none = {};
  setitimer(ITIMER_REAL, &timer, nullptr);
  for (int i = 0; i < 30000; ++i) {
    Inside inside(a);
    void* block = malloc(64);
    ASSERT_EQ(owner_id(block), tenure_tenant_id(a));
    ASSERT_EQ(tenure_current(), static_cast<tenure_tenant*>(a));
    free(block);
  }
  setitimer(ITIMER_REAL, &none, nullptr);
  sigaction(SIGALRM, &old, nullptr);
  EXPECT_EQ(a.settled(), 0u);
  EXPECT_EQ(b.settled(), 0u);
}

TEST_F(ScopeTest, DurableTenantsAreInherited) {
  Tenant durable("durable", tenure_root(), TENURE_DURABLE), request("request", durable);
  const uint32_t id = tenure_tenant_id(durable);
  Inside inside(durable);
  std::thread([id] {
    EXPECT_EQ(current_id(), id);
    EXPECT_EQ(id_of_new_block(), id);
    std::thread([id] { EXPECT_EQ(current_id(), id) << "in the second generation"; }).join();
    Inside root(tenure_root());
    std::thread([] { EXPECT_EQ(tenure_current(), tenure_root()); }).join();
  }).join();
  Inside in_request(request);
  std::thread([] { EXPECT_EQ(tenure_current(), tenure_root()); }).join();
}

TEST_F(ScopeTest, InheritedTenantLivesWithoutItsHandle) {
  std::atomic<int> step{0};
  std::thread thread;
  Tenant parent("parent");
  {
    Tenant durable("durable", parent, TENURE_DURABLE);
    Inside inside(durable);
    thread = std::thread([&, id = tenure_tenant_id(parent)] {
      while (step != 1) std::this_thread::yield();
      // The tenant is offline and the only handle is closed: this thread's own keeps it.
      EXPECT_EQ(id_of_new_block(), id);
      EXPECT_EQ(id_of_new_block(100 * kKiB), id);
    });
  }
  tenure_reap();
  step = 1;
  thread.join();
}

TEST_F(ScopeTest, CapturedScopeMovesToAnotherThread) {
  Tenant a("a"), b("b");
  tenure_captured captured = {};
  {
    Inside inside(a);
    captured = tenure_capture();
  }
  std::thread([&] {
    Inside in_b(b);
    for (int i = 0; i < 3; ++i) {
      const tenure_scope outer = tenure_restore(captured);
      EXPECT_EQ(current_id(), tenure_tenant_id(a));
      EXPECT_EQ(id_of_new_block(), tenure_tenant_id(a));
      tenure_leave(outer);
      EXPECT_EQ(current_id(), tenure_tenant_id(b));
    }
  }).join();
  tenure_release(captured);
  const tenure_captured nothing = tenure_capture();
  {
    Inside inside(a);
    const tenure_scope outer = tenure_restore(nothing);
    EXPECT_EQ(tenure_current(), tenure_root());
    tenure_leave(outer);
  }
  tenure_release(nothing);
}

TEST_F(ScopeTest, CaptureKeepsATenantThatIsClosed) {
  Tenant parent("parent");
  tenure_captured captured = {};
  {
    Tenant child("child", parent);
    Inside inside(child);
    captured = tenure_capture();
  }
  tenure_reap();
  const tenure_scope outer = tenure_restore(captured);
  EXPECT_EQ(id_of_new_block(), tenure_tenant_id(parent));
  tenure_leave(outer);
  tenure_release(captured);
}

TEST_F(ScopeTest, ThreadsInsideGoOnInTheParent) {
  Tenant top("top"), parent("parent", top), child("child", parent);
  std::atomic<int> step{0};
  Blocks before, after;
  std::thread thread([&] {
    Inside inside(child);
    for (size_t i = 0; i < 1000; ++i) before.keep(malloc(100));
    step = 1;
    while (step != 2) std::this_thread::yield();
    for (size_t i = 0; i < 1000; ++i) after.keep(malloc(i % 100 == 0 ? 50 * kKiB : 100));
    step = 3;
    while (step != 4) std::this_thread::yield();
    EXPECT_EQ(id_of_new_block(), tenure_tenant_id(top));
    EXPECT_EQ(id_of_new_block(50 * kKiB), tenure_tenant_id(top));
  });
  while (step != 1) std::this_thread::yield();
  EXPECT_EQ(owner_id(before[0]), tenure_tenant_id(child));
  child.offline();
  step = 2;
  while (step != 3) std::this_thread::yield();
  for (size_t i = 0; i < 1000; ++i) {
    ASSERT_EQ(owner_id(before[i]), tenure_tenant_id(parent)) << i;
    ASSERT_EQ(owner_id(after[i]), tenure_tenant_id(parent)) << i;
  }
  parent.offline();
  step = 4;
  thread.join();
  before.clear();
  after.clear();
  EXPECT_EQ(top.settled(), 0u);
}

TEST_F(ScopeTest, LimitOfTheParentHoldsForThreadsLeftInside) {
  Tenant parent("parent"), child("child", parent);
  Inside inside(child);
  child.offline();
  parent.limit(TENURE_MAX, kMiB);
  EXPECT_EQ(malloc(2 * kMiB), nullptr);
  void* block = malloc(500 * kKiB);
  EXPECT_NE(block, nullptr);
  free(block);
}

TEST_F(ScopeTest, EnteringADepartedTenant) {
  Tenant parent("parent"), child("child", parent);
  child.offline();
  Inside inside(child);
  EXPECT_EQ(id_of_new_block(), tenure_tenant_id(parent));
  EXPECT_EQ(id_of_new_block(100 * kKiB), tenure_tenant_id(parent));
}

// The child of a fork is inside the same tenant, alone, and all of its tree is its own.
TEST_F(ScopeTest, ForkedChildIsInside) {
  Tenant a("a");
  Inside inside(a);
  void* block = malloc(100);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(30);
    REQUIRE(current_id() == tenure_tenant_id(a), "inside %u", current_id());
    REQUIRE(id_of_new_block() == tenure_tenant_id(a), "allocates for another");
    REQUIRE(owner_id(block) == tenure_tenant_id(a), "%u", owner_id(block));
    free(block);
    REQUIRE(a.settled() == 0, "%zu", a.usage());
    Tenant made("made-in-child", a);
    free(tenure_malloc(made, 100));
    made.offline();
    made.close();
    REQUIRE(tenure_reap() == 0, "a departed tenant is left");
    require_valid_heap();
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_GE(a.usage(), 100u);
  free(block);
}

TEST_F(ScopeTest, ErrnoIsKept) {
  Tenant a("a");
  errno = 1234;
  {
    Inside inside(a);
    free(malloc(100));
    tenure_release(tenure_capture());
    tenure_reclaim(a, SIZE_MAX);
    a.limit(TENURE_MAX, kMiB);
    a.stats();
    tenure_checkpoint();
  }
  Tenant b("b", a);
  EXPECT_EQ(tenure_tenant_find("/nowhere"), nullptr);
  b.offline();
  tenure_reap();
  EXPECT_EQ(errno, 1234);
}

}  // namespace
}  // namespace blackbox
