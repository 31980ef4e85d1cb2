// A child forked while another thread is anywhere inside a control operation goes on with a whole
// tree.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>

#include "accounting/tenants/tenant_ids.h"
#include "tests/accounting/tree_fixture.h"
#include "tests/blackbox/support/every_instruction.h"

namespace tenure {
namespace {

using ForkTest = TreeTest;

void after_fork_child() {
  const bool sections_cut_off = grace::after_fork_child();
  deferred::after_fork_child();
  tenants_after_fork_child(sections_cut_off);
}

int status_of(pid_t child) {
  int status = -1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

TEST_F(ForkTest, ChildHasItsOwnCounters) {
  Tenant& a = make(root_tenant, "a");
  AccountingContext* context = charge(a, 1000, RequestKind::kSmall);
  const pid_t child = fork();
  if (child == 0) {
    after_fork_child();
    uncharge(*context, 1000);
    _exit(a.counter.usage() == 0 && root_tenant.counter.usage() == 0 ? 0 : 1);
  }
  EXPECT_EQ(status_of(child), 0);
  EXPECT_EQ(a.counter.usage(), 1000u);
  uncharge(*context, 1000);
}

#if !defined(__SANITIZE_THREAD__)  // Its runtime does not survive fork in a threaded program.
// Uses everything; 0 if all is well.
int use_tree_in_child(Tenant& a) {
  alarm(120);
  after_fork_child();
  if (!validate_tenants()) return 1;
  Tenant *made = nullptr, *inner = nullptr;
  if (create_tenant(a, "of the child", &made) != 0) return 2;
  if (create_tenant(*made, "inner", &inner) != 0) return 3;
  if (find_tenant("/a/of the child/inner") != inner) return 4;
  inner->unpin();
  AccountingContext* context = charge(*inner, 123, RequestKind::kSmall);
  if (context == nullptr) return 5;
  const uint64_t before = root_tenant.counter.usage();
  if (offline_tenant(a, kOfflineRecursive) != 0) return 6;
  if (root_tenant.counter.usage() != before) return 7;
  uncharge(*context, 123);
  flush_tenants();
  if (tenants_online() != 0) return 8;
  if (!validate_tenants()) return 9;
  if (deferred::pending() != 0) return 10;
  return 0;
}

TEST_F(ForkTest, AtAnyMomentOfAControlOperation) {
  Tenant& a = make(root_tenant, "a");
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      const std::string name = "child of thread " + std::to_string(t);
      while (!stop) {
        Tenant *tenant = nullptr, *below = nullptr;
        if (create_tenant(a, name.c_str(), &tenant) != 0) continue;
        AccountingContext* context = charge(*tenant, 10, RequestKind::kSmall);
        create_tenant(*tenant, "below", &below);
        AccountingContext* deeper = charge(*below, 10, RequestKind::kSmall);
        offline_tenant(*tenant, kOfflineRecursive);
        uncharge(*deeper, 10);
        uncharge(*context, 10);
        below->unpin();
        tenant->unpin();
      }
    });
  }
  for (int round = 0; round < 300; ++round) {
    const pid_t child = fork();
    if (child == 0) _exit(use_tree_in_child(a));
    const int status = status_of(child);
    EXPECT_EQ(status, 0) << round;
    if (status != 0) break;
  }
  stop = true;
  for (auto& thread : threads) thread.join();
}

// The same without chance: each hook of offline forks while the operation stands still there. `bytes`: what is still held.
void fork_in_every_hook(Tenant& a, Tenant& b, uint64_t bytes) {
  static std::vector<int> results;
  static Tenant* top;
  results.clear();
  top = &a;
  AccountingContext* context = bytes == 0 ? nullptr : charge(b, bytes, RequestKind::kSmall);
  constexpr auto fork_here = [](Tenant&) {
    // From another thread, as the operation's own does not fork.
    std::thread([] {
      const pid_t child = fork();
      if (child == 0) {
        register_offline_hooks({});
        _exit(use_tree_in_child(*top));
      }
      results.push_back(status_of(child));
    }).join();
  };
  register_offline_hooks({fork_here, fork_here});
  EXPECT_EQ(offline_tenant(b, 0), 0);
  register_offline_hooks({});
  EXPECT_EQ(results, (std::vector<int>{0, 0}));
  if (context) uncharge(*context, bytes);
}

TEST_F(ForkTest, InEveryHookOfOffline) {
  Tenant& a = make(root_tenant, "a");
  fork_in_every_hook(a, make(a, "b"), 5);
}

// Then it is the child that takes the tenant's context to zero.
TEST_F(ForkTest, InEveryHookOfOfflineOfAnEmptyTenant) {
  Tenant& a = make(root_tenant, "a");
  fork_in_every_hook(a, make(a, "b"), 0);
}

#if defined(__x86_64__)
// A fork after each single instruction of body().
template <typename Body>
void fork_at_every_instruction(Tenant& a, Body body) {
  EveryInstruction::run(1, 1, body, [&a](uint64_t number) {
    const pid_t child = fork();
    if (child == 0) _exit(use_tree_in_child(a));
    const int status = status_of(child);
    EXPECT_EQ(status, 0) << "instruction " << number;
    return status == 0;
  });
}

TEST_F(ForkTest, AtEveryInstructionOfCreate) {
  Tenant& a = make(root_tenant, "a");
  Tenant* made = nullptr;
  fork_at_every_instruction(a, [&] { create_tenant(a, "made", &made); });
  handles_.push_back(made);
}

TEST_F(ForkTest, AtEveryInstructionOfOfflineOfAnEmptyTenant) {
  Tenant& a = make(root_tenant, "a");
  Tenant& b = make(a, "b");
  make(b, "c");
  fork_at_every_instruction(a, [&] { offline_tenant(b, kOfflineRecursive); });
}

TEST_F(ForkTest, AtEveryInstructionOfOfflineAndUncharge) {
  Tenant& a = make(root_tenant, "a");
  Tenant& b = make(a, "b");
  Tenant& beside = make(a, "beside");
  AccountingContext* context = charge(b, 10, RequestKind::kSmall);
  AccountingContext* other = charge(beside, 10, RequestKind::kSmall);
  fork_at_every_instruction(a, [&] {
    offline_tenant(b, 0);
    uncharge(*context, 10);
    context = charge(beside, 10, RequestKind::kSmall);
    reap_tenants();
  });
  uncharge(*context, 10);
  uncharge(*other, 10);
}
#endif
#endif

}  // namespace
}  // namespace tenure
