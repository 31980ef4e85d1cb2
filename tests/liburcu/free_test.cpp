// tenure_free_rcu() and its family, one property after the other.
#include "flavor.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstring>
#include <thread>

namespace {

struct tenure_tenant* tenant;

size_t usage() {
  struct tenure_tenant_stats stats = {};
  stats.struct_size = sizeof stats;
  CHECK(tenure_tenant_stats(tenant, &stats) == 0);
  return stats.usage;
}

char* filled(size_t size, char with) {
  auto* const block = static_cast<char*>(tenure_malloc(tenant, size));
  CHECK(block);
  std::memset(block, with, size);
  return block;
}

void check_filled(const char* block, size_t size, char with) {
  for (size_t i = 0; i < size; ++i) CHECK(block[i] == with);
}

// Sleeps, and holds no grace period up meanwhile.
void rest(unsigned ms) {
#if defined(FLAVOR_qsbr)
  rcu_thread_offline();
#endif
  usleep(ms * 1'000);
#if defined(FLAVOR_qsbr)
  rcu_thread_online();
#endif
}

// A thread that is reading from construction to end().
class Reader {
public:
  Reader() : thread_([this] { run(); }) {
    while (!reading_) usleep(200);
  }
  void end() {
    over_ = true;
    thread_.join();
  }

private:
  void run() {
    const Registered registered;
    rcu_read_lock();
    reading_ = true;
    while (!over_) usleep(200);
    rcu_read_unlock();
  }

  std::atomic<bool> reading_{false}, over_{false};
  std::thread thread_;
};

void nothing_is_freed_before_readers_end() {
  constexpr size_t kSizes[] = {8, 100, 5000, 1 << 20};
  for (const size_t size : kSizes) {
    Reader reader;
    char* const block = filled(size, 'x');
    const size_t charged = usage();
    CHECK(charged >= size);
    CHECK(tenure_free_rcu_nowait(block) == 0);
    // Long enough for the ticker, if it did not wait for the reader.
    rest(50);
    check_filled(block, size, 'x');
    CHECK(usage() == charged);
    reader.end();
    tenure_rcu_barrier();
    CHECK(usage() == 0);
  }
}

// Each object has a grace period that starts after it was added. The ticker's first is under way here, held up by a reader, when the
// object is added and a second reader begins, whom that grace period does not wait for.
void who_comes_late_has_a_grace_period_too() {
  for (int round = 0; round < 3; ++round) {
    Reader first;
    CHECK(tenure_free_rcu_nowait(filled(64, 'a')) == 0);  // Opens the batch, and queues the ticker.
    rest(30);
    Reader second;
    char* const late = filled(64, 'b');
    CHECK(tenure_free_rcu_nowait(late) == 0);
    first.end();
    rest(50);
    check_filled(late, 64, 'b');
    second.end();
    tenure_rcu_barrier();
    CHECK(usage() == 0);
  }
}

// Who has loaded the address of a batch before it was sealed must find it closed.
void a_sealed_batch_takes_nothing_more() {
  rcu_read_lock();
  CHECK(tenure_free_rcu_nowait(filled(64, 'x')) == 0);
  for (const struct tenure_rcu_slot& slot : tenure_rcu_state.slots) {
    struct tenure_rcu_batch* const batch = slot.open;
    if (!batch) continue;
    tenure_rcu_seal(batch);
    CHECK(static_cast<uint32_t>(batch->claimed) >= TENURE_RCU_ENTRIES);
    CHECK(slot.open == nullptr && batch->used == 1);
  }
  rcu_read_unlock();
  tenure_rcu_barrier();
  CHECK(usage() == 0);
}

void who_helps_waits_for_readers() {
  constexpr int kBlocks = 600;  // More than a batch.
  static char* blocks[kBlocks];
  tenure_rcu_set_backlog(0);
  for (char*& block : blocks) block = filled(64, 'h');
  Reader reader;
  std::thread adder([] {
    const Registered registered;
    for (char* const block : blocks) CHECK(tenure_free_rcu(block) == 0);
    tenure_rcu_throttle();
  });
  rest(50);
  for (const char* const block : blocks) check_filled(block, 64, 'h');
  reader.end();
#if defined(FLAVOR_qsbr)
  rcu_thread_offline();
#endif
  adder.join();
#if defined(FLAVOR_qsbr)
  rcu_thread_online();
#endif
  tenure_rcu_set_backlog(4 << 20);
  tenure_rcu_barrier();
  CHECK(usage() == 0);
}

void nobody_has_to_call_again() {
  CHECK(tenure_free_rcu(filled(64, 'x')) == 0);
  while (usage() != 0) rest(1);
}

void barrier_waits_for_all_batches() {
  rcu_read_lock();
  for (int i = 0; i < 20'000; ++i) CHECK(tenure_free_rcu_nowait(filled(40, 'x')) == 0);
  for (int i = 0; i < 3; ++i) CHECK(tenure_free_rcu_nowait(filled(9 << 20, 'x')) == 0);
  CHECK(usage() >= 27u << 20);
  rcu_read_unlock();
  tenure_rcu_barrier();
  CHECK(usage() == 0);
  CHECK(tenure_rcu_backlog() == 0);
}

void the_backlog_is_bounded() {
  tenure_rcu_set_backlog(1 << 20);
  size_t most = 0;
  for (int i = 0; i < 40'000; ++i) {
    CHECK(tenure_free_rcu(filled(1000, 'x')) == 0);
#if defined(FLAVOR_qsbr)
    if (i % 100 == 0) tenure_rcu_throttle();
#endif
    if (usage() > most) most = usage();
  }
  // The bound, and one open batch for each CPU.
  CHECK(most < (2u << 20) + static_cast<size_t>(sysconf(_SC_NPROCESSORS_CONF)) * (512u << 10));
  tenure_rcu_set_backlog(4 << 20);
  tenure_rcu_barrier();
  CHECK(usage() == 0);
}

void readers_are_never_made_to_wait() {
  tenure_rcu_set_backlog(0);
  rcu_read_lock();
  for (int i = 0; i < 5'000; ++i) CHECK(tenure_free_rcu(filled(1000, 'x')) == 0);
  rcu_read_unlock();
  tenure_rcu_set_backlog(4 << 20);
  tenure_rcu_barrier();
  CHECK(usage() == 0);
}

// The program's first use of call_rcu() is inside a tenant that has no room: neither liburcu's memory nor its thread is the tenant's.
void the_first_use_is_nobodys() {
  CHECK(tenure_tenant_set_limit(tenant, TENURE_MAX, 64 << 10) == 0);
  CHECK(tenure_tenant_set_policy(tenant, TENURE_FAIL_ALL) == 0);
  const struct tenure_scope outer = tenure_enter(tenant);
  void* blocks[64];
  size_t count = 0;
  while (void* const block = malloc(1000)) blocks[count++] = block;
  for (size_t i = 0; i < count; ++i) CHECK(tenure_free_rcu(blocks[i]) == 0);
  tenure_rcu_barrier();
  CHECK(usage() == 0);
  tenure_leave(outer);
  CHECK(tenure_tenant_set_limit(tenant, TENURE_MAX, TENURE_UNLIMITED) == 0);
}

struct Headed {
  struct rcu_head head;
  char text[64];
};

void callbacks_may_add() {
  tenure_rcu_set_backlog(0);  // A callback that waited would wait for itself.
  for (int i = 0; i < 2'000; ++i) {
    auto* const headed = reinterpret_cast<Headed*>(filled(sizeof(Headed), 0));
    call_rcu(&headed->head, [](struct rcu_head* head) { CHECK(tenure_free_rcu(head) == 0); });
  }
  rcu_barrier();
  tenure_rcu_set_backlog(4 << 20);
  tenure_rcu_barrier();
  CHECK(usage() == 0);
}

void a_full_tenant_can_let_go() {
  CHECK(tenure_tenant_set_limit(tenant, TENURE_MAX, 1 << 20) == 0);
  CHECK(tenure_tenant_set_policy(tenant, TENURE_FAIL_ALL) == 0);
  const struct tenure_scope outer = tenure_enter(tenant);
  for (int round = 0; round < 3; ++round) {
    void* kept = nullptr;
    while (void* const block = malloc(1000)) {
      *static_cast<void**>(block) = kept;
      kept = block;
    }
    while (kept) {
      void* const next = *static_cast<void**>(kept);
      CHECK(tenure_free_rcu(kept) == 0);
      kept = next;
    }
    tenure_rcu_barrier();
    CHECK(usage() == 0);
  }
  tenure_leave(outer);
  CHECK(tenure_tenant_set_limit(tenant, TENURE_MAX, TENURE_UNLIMITED) == 0);
}

void caches_get_their_objects_back() {
  struct tenure_cache *plain, *constructed;
  CHECK(tenure_cache_create("plain", 48, 0, 0, nullptr, &plain) == 0);
  CHECK(tenure_cache_create(
            "constructed", 48, 0, 0, [](void* object) { std::memset(object, 'c', 48); },
            &constructed) == 0);
  for (int i = 0; i < 3'000; ++i) {
    CHECK(tenure_cache_free_rcu(plain, tenure_cache_alloc_for(plain, tenant)) == 0);
    CHECK(tenure_free_rcu(filled(48, 'x')) == 0);
    CHECK(tenure_cache_free_rcu_nowait(constructed, tenure_cache_alloc_for(constructed, tenant)) ==
          0);
  }
  CHECK(tenure_cache_free_rcu(plain, nullptr) == 0 && tenure_free_rcu(nullptr) == 0);
  tenure_rcu_barrier();
  size_t live = 1;
  CHECK(tenure_cache_destroy(plain, &live) == 0 && live == 0);
  CHECK(tenure_cache_destroy(constructed, &live) == 0 && live == 0);
  CHECK(usage() == 0);
}

std::atomic<int> handled{0};

void handlers_may_add() {
  struct sigaction action = {};
  action.sa_handler = [](int) {
    void* const block = tenure_malloc(tenant, 64);
    CHECK(block && tenure_free_rcu_nowait(block) == 0);
    ++handled;
  };
  CHECK(sigaction(SIGUSR1, &action, nullptr) == 0);
  std::atomic<bool> over{false};
  const pthread_t target = pthread_self();
  std::thread sender([&] {
    while (!over) {
      pthread_kill(target, SIGUSR1);
      usleep(100);
    }
  });
  while (handled < 100) CHECK(tenure_free_rcu_nowait(filled(64, 'x')) == 0);
  over = true;
#if defined(FLAVOR_qsbr)
  rcu_thread_offline();
#endif
  sender.join();
#if defined(FLAVOR_qsbr)
  rcu_thread_online();
#endif
  tenure_rcu_barrier();
  CHECK(usage() == 0);
}

void children_of_a_fork_go_on() {
  for (int i = 0; i < 100; ++i) CHECK(tenure_free_rcu_nowait(filled(64, 'x')) == 0);
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    for (int i = 0; i < 5'000; ++i) CHECK(tenure_free_rcu(filled(64, 'y')) == 0);
    nobody_has_to_call_again();
    // As if the fork had cut a thread off that was about to queue the ticker.
    tenure_rcu_barrier();
    tenure_rcu_state.ticking = getppid();
    nobody_has_to_call_again();
    // And one that was helping.
    for (int i = 0; i < 600; ++i) CHECK(tenure_free_rcu_nowait(filled(64, 'y')) == 0);
    tenure_rcu_state.helpers[0].owner = getppid();
    tenure_rcu_state.helpers[0].list = tenure_rcu_take_sealed();
    tenure_rcu_barrier();
    CHECK(usage() == 0);
    _exit(0);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  tenure_rcu_barrier();
  CHECK(usage() == 0);
}

}  // namespace

int main() {
  const Registered registered;
  install_fork_handlers();
  CHECK(tenure_tenant_create(nullptr, "freeing", 0, &tenant) == 0);
  the_first_use_is_nobodys();
  nothing_is_freed_before_readers_end();
  who_comes_late_has_a_grace_period_too();
  a_sealed_batch_takes_nothing_more();
  who_helps_waits_for_readers();
  nobody_has_to_call_again();
  barrier_waits_for_all_batches();
  the_backlog_is_bounded();
  readers_are_never_made_to_wait();
  callbacks_may_add();
  a_full_tenant_can_let_go();
  caches_get_their_objects_back();
  handlers_may_add();
  children_of_a_fork_go_on();
  CHECK(tenure_tenant_offline(tenant, 0) == 0);
  tenure_tenant_close(tenant);
  CHECK(tenure_validate() == 0);
  return 0;
}
