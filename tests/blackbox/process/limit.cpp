// limit SCENARIO: a process as a whole under a limit (docs/process-limit.md), each scenario in a process of its own that starts in the
// environment in question. limit child SCENARIO: such a process.
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "tenure/tenure.h"
#include "tests/blackbox/support/check.h"
#include "tests/blackbox/support/child.h"
#include "tests/blackbox/support/memory.h"

namespace {

using namespace blackbox;

constexpr size_t kMiB = size_t{1} << 20;
constexpr size_t kMax = 64 * kMiB;
constexpr const char* kMaxText = "TENURE_MAX=64M";

void require_within_limit() {
  const size_t resident = anonymous_bytes();
  REQUIRE(resident <= kMax + kMiB, "%zu bytes are resident", resident);
}

struct Node {
  Node* next;
};

void free_all(Node* list) {
  while (list) {
    Node* const next = list->next;
    free(list);
    list = next;
  }
}

// Written blocks until one is refused.
Node* fill(size_t bytes, size_t* count) {
  Node* list = nullptr;
  *count = 0;
  for (;;) {
    errno = 0;
    Node* const node = static_cast<Node*>(malloc(bytes));
    if (node == nullptr) {
      REQUIRE(errno == ENOMEM, "errno %d", errno);
      return list;
    }
    memset(static_cast<void*>(node), 0x5a, bytes);
    node->next = list;
    list = node;
    ++*count;
    REQUIRE(*count * bytes <= 2 * kMax, "there is no limit");
  }
}

void* map_written(size_t bytes) {
  void* const p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return nullptr;
  memset(p, 1, bytes);
  return p;
}

// Of every size, as much as the limit lets through, and the same again.
void heap() {
  for (const size_t bytes : {size_t{64}, size_t{5000}, size_t{60000}, kMiB}) {
    size_t first, second;
    Node* list = fill(bytes, &first);
    require_within_limit();
    // Headers, bits and stacks are a small part.
    REQUIRE(first * bytes >= kMax / 8 * 6, "%zu objects of %zu bytes", first, bytes);
    free_all(list);
    list = fill(bytes, &second);
    require_within_limit();
    REQUIRE(second >= first - first / 8 && second <= first + first / 8,
            "%zu, then %zu objects of %zu bytes", first, second, bytes);
    free_all(list);
  }
}

// What was freed is no obstacle to what is mapped, and the other way round.
void heap_and_mappings() {
  for (int round = 0; round < 2; ++round) {
    size_t count;
    Node* list = fill(1000, &count);
    errno = 0;
    REQUIRE(map_written(kMiB) == nullptr && errno == ENOMEM, "errno %d", errno);
    free_all(list);
    void* const p = map_written(kMax / 8 * 7);
    REQUIRE(p != nullptr, "free memory of the heap is in the way");
    require_within_limit();
    list = fill(1000, &count);
    REQUIRE(count * 1000 < kMax / 4, "errno %d", errno);
    require_within_limit();
    free_all(list);
    REQUIRE(munmap(p, kMax / 8 * 7) == 0, "errno %d", errno);
  }
}

// A reservation costs nothing; what is committed of it does.
void reservations() {
  char* const p =
      static_cast<char*>(mmap(nullptr, 1024 * kMiB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  REQUIRE(p != MAP_FAILED, "errno %d", errno);
  size_t committed = 0;
  while (mprotect(p + committed, kMiB, PROT_READ | PROT_WRITE) == 0) {
    memset(p + committed, 1, kMiB);
    committed += kMiB;
    REQUIRE(committed <= kMax, "there is no limit");
  }
  REQUIRE(errno == ENOMEM && committed >= kMax / 4 * 3, "errno %d", errno);
  require_within_limit();
  REQUIRE(munmap(p, 1024 * kMiB) == 0, "errno %d", errno);
  // The same by the data segment.
  committed = 0;
  while (sbrk(kMiB) != reinterpret_cast<void*>(-1))
    REQUIRE((committed += kMiB) <= kMax, "there is no limit");
  REQUIRE(errno == ENOMEM && committed >= kMax / 4 * 3, "errno %d", errno);
}

// Nobody asks for the pages of stacks and of reservations that are writable at once. They are found, and less is left.
struct Gate {
  pthread_barrier_t touched, done;
};
void* use_stack(void* gate) {
  volatile char room[kMiB];
  for (size_t i = 0; i < sizeof room; i += 4096) room[i] = 1;
  pthread_barrier_wait(&static_cast<Gate*>(gate)->touched);
  pthread_barrier_wait(&static_cast<Gate*>(gate)->done);
  return nullptr;
}
void unasked() {
  constexpr unsigned kThreads = 16;
  Gate gate;
  pthread_barrier_init(&gate.touched, nullptr, kThreads + 1);
  pthread_barrier_init(&gate.done, nullptr, kThreads + 1);
  pthread_t threads[kThreads];
  for (pthread_t& thread : threads)
    REQUIRE(pthread_create(&thread, nullptr, use_stack, &gate) == 0, "errno %d", errno);
  pthread_barrier_wait(&gate.touched);
  void* const p = mmap(nullptr, 64 * kMiB, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  REQUIRE(p != MAP_FAILED, "errno %d", errno);
  memset(p, 1, 16 * kMiB);
  size_t count;
  Node* list = fill(10000, &count);
  require_within_limit();
  REQUIRE(count * 10000 < kMax / 2 + 2 * kMiB, "errno %d", errno);
  free_all(list);
  pthread_barrier_wait(&gate.done);
  for (pthread_t thread : threads) pthread_join(thread, nullptr);
  munmap(p, 64 * kMiB);
  // And are found to be gone.
  list = fill(10000, &count);
  REQUIRE(count * 10000 >= kMax / 4 * 3, "errno %d", errno);
  free_all(list);
}

// A large block grows to more than half of the limit, as its pages move.
void growth() {
  size_t bytes = 4 * kMiB;
  char* p = static_cast<char*>(malloc(bytes));
  REQUIRE(p != nullptr, "errno %d", errno);
  memset(p, 7, bytes);
  for (;;) {
    char* const grown = static_cast<char*>(realloc(p, bytes + 4 * kMiB));
    if (grown == nullptr) break;
    p = grown;
    memset(p + bytes, 7, 4 * kMiB);
    bytes += 4 * kMiB;
    REQUIRE(bytes <= kMax, "errno %d", errno);
    free(malloc(100));
    require_within_limit();
  }
  REQUIRE(bytes >= kMax / 4 * 3, "grown to %zu bytes", bytes);
  for (size_t i = 0; i < bytes; i += 4096) REQUIRE(p[i] == 7, "errno %d", errno);
  free(p);
}

// A child has the parent's memory, and from then on a limit and an account of its own.
void* churn(void* stop) {
  while (!__atomic_load_n(static_cast<bool*>(stop), __ATOMIC_RELAXED)) {
    void* const p = map_written(3 * 4096);
    free(malloc(50000));
    if (p) munmap(p, 3 * 4096);
  }
  return nullptr;
}
void forks() {
  bool stop = false;
  pthread_t thread;
  REQUIRE(pthread_create(&thread, nullptr, churn, &stop) == 0, "errno %d", errno);
  void* const p = map_written(kMax / 4);
  for (int i = 0; i < 5; ++i) {
    const pid_t child = fork();
    REQUIRE(child >= 0, "errno %d", errno);
    if (child == 0) {
      REQUIRE(munmap(p, kMax / 4) == 0, "errno %d", errno);
      size_t count;
      Node* const list = fill(100000, &count);
      REQUIRE(count * 100000 >= kMax / 4 * 3, "%zu bytes", count * 100000);
      require_within_limit();
      free_all(list);
      const int valid = tenure_validate();
      REQUIRE(valid == 0 || valid == -EOWNERDEAD, "errno %d", errno);
      _exit(0);
    }
    require_child_success(child, 60, "a child under the limit");
  }
  __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
  pthread_join(thread, nullptr);
  require_within_limit();
}

// Nothing is refused, and events tell of it.
void observe() {
  void* const p = malloc(2 * kMax);
  REQUIRE(p != nullptr, "errno %d", errno);
  memset(p, 1, 2 * kMax);
  struct tenure_tenant_stats stats = {};
  stats.struct_size = sizeof stats;
  REQUIRE(tenure_tenant_stats(tenure_root(), &stats) == 0, "errno %d", errno);
  REQUIRE(stats.events[TENURE_EVENT_OVERDRAW] >= 1, "errno %d", errno);
  REQUIRE(map_written(kMiB) != nullptr, "errno %d", errno);
  free(p);
}

// Nothing is refused, and what is cached goes when `high` is crossed.
void high() {
  struct tenure_tenant_stats stats = {};
  stats.struct_size = sizeof stats;
  size_t count = 0;
  Node* list = nullptr;
  for (; count * kMiB < kMax; ++count) {
    Node* const node = static_cast<Node*>(malloc(kMiB));
    REQUIRE(node != nullptr, "errno %d", errno);
    memset(static_cast<void*>(node), 1, kMiB);
    node->next = list;
    list = node;
  }
  REQUIRE(tenure_tenant_stats(tenure_root(), &stats) == 0, "errno %d", errno);
  REQUIRE(stats.events[TENURE_EVENT_HIGH] == 1, "errno %d", errno);
  free_all(list);
}

void abort_there() {
  size_t count;
  fill(kMiB, &count);
}

// The name is the root's, and begins paths; they are found with it and without.
void name() {
  struct tenure_tenant* tenant;
  REQUIRE(tenure_tenant_create(tenure_root(), "blue", 0, &tenant) == 0, "errno %d", errno);
  char path[64];
  REQUIRE(tenure_tenant_path(tenant, path, sizeof path) == 10 && strcmp(path, "/shop/blue") == 0,
          "errno %d", errno);
  REQUIRE(tenure_tenant_path(tenure_root(), path, sizeof path) == 5 && strcmp(path, "/shop") == 0,
          "errno %d", errno);
  REQUIRE(strcmp(tenure_tenant_name(tenure_root()), "shop") == 0, "the root has no name");
  for (const char* good : {"/shop/blue", "/blue"}) {
    struct tenure_tenant* const found = tenure_tenant_find(good);
    REQUIRE(found == tenant, "%s", good);
    tenure_tenant_close(found);
  }
  for (const char* root : {"/shop", "/"})
    REQUIRE(tenure_tenant_find(root) == tenure_root(), "%s", root);
  for (const char* bad : {"/shop/", "/sho", "/shopping", "/shop/shop", "shop"})
    REQUIRE(tenure_tenant_find(bad) == nullptr, "%s", bad);
  // A child of the same name comes first.
  struct tenure_tenant* same;
  REQUIRE(tenure_tenant_create(tenure_root(), "shop", 0, &same) == 0, "another tenant is found");
  REQUIRE(tenure_tenant_find("/shop") == same, "another tenant is found");
  REQUIRE(tenure_tenant_find("/shop/shop") == same, "another tenant is found");
}

void off() {
  void* const p = map_written(2 * kMax);
  REQUIRE(p != nullptr, "errno %d", errno);
  size_t count;
  free_all(fill(kMiB, &count));
  REQUIRE(count >= kMax / kMiB / 4 * 3, "errno %d", errno);
}

struct Scenario {
  const char* name;
  void (*run)();
  std::vector<std::string> environment;
  int signal = 0;
  const char* says = "";  // nullptr: whatever it says.
};

const Scenario scenarios[] = {
    {"heap", heap, {kMaxText}},
    {"heap_and_mappings", heap_and_mappings, {kMaxText}},
    {"reservations", reservations, {kMaxText}},
    {"unasked", unasked, {kMaxText}},
    {"growth", growth, {kMaxText}},
    {"forks", forks, {kMaxText}, 0, nullptr},
    {"observe", observe, {kMaxText, "TENURE_POLICY=observe"}},
    {"high", high, {"TENURE_HIGH=32M"}},
    {"abort",
     abort_there,
     {kMaxText, "TENURE_POLICY=abort", "TENURE_NAME=shop"},
     SIGABRT,
     "tenure: limit reached: tenant /shop, max 67108864\n"},
    {"name", name, {"TENURE_NAME=shop"}},
    {"off", off, {kMaxText, "TENURE_MAPPED=off"}},
};

}  // namespace

int main(int count, char** arguments) {
  const std::vector<std::string> words(arguments + 1, arguments + count);
  REQUIRE(!words.empty(), "usage: limit SCENARIO");
  for (const Scenario& scenario : scenarios) {
    if (words[0] == scenario.name) {
      const ChildResult result =
          run_self({"child", scenario.name}, {.environment = scenario.environment});
      const bool ended = scenario.signal ? result.signalled(scenario.signal) : result.exited(0);
      const bool says = scenario.says == nullptr || result.err == scenario.says;
      REQUIRE(ended && says, "%s", result.describe().c_str());
      return 0;
    }
    if (words[0] == "child" && words[1] == scenario.name) {
      scenario.run();
      require_valid_heap();
      return 0;
    }
  }
  REQUIRE(false, "no scenario %s", words[0].c_str());
}
