// malloc and free in everything that runs while a thread ends: destructors of C++ thread-locals and of
// pthread keys made before and after the first malloc, in several rounds; by return, pthread_exit and
// cancellation; joined and detached.

#include <errno.h>
#include <memory>
#include <pthread.h>
#include <thread>
#include <vector>

#include "tests/blackbox/support/clock.h"
#include "tests/blackbox/support/memory.h"
#include "tests/blackbox/support/parcel.h"
#include "tests/tenants/helper/tasks.h"

namespace blackbox {
namespace {

ParcelTable<256> table;
std::atomic<size_t> destructor_calls = 0;
pthread_key_t keys[2];

void use_heap(uint64_t seed) {
  Random random(seed);
  for (int i = 0; i < 10; ++i) table.replace(random, make_parcel(random, 3000));
}

// What a key holds: the number of destructor rounds still to come, in an object of the heap.
struct KeyValue {
  pthread_key_t key;
  int rounds;
};

void destroy_key_value(void* argument) {
  auto* value = static_cast<KeyValue*>(argument);
  destructor_calls.fetch_add(1);
  use_heap(destructor_calls.load());
  KeyValue next = {value->key, value->rounds - 1};
  free(value);
  if (next.rounds > 0) pthread_setspecific(next.key, new (malloc(sizeof(KeyValue))) KeyValue(next));
}

// Before main, and before the library is likely to have made a key of its own.
__attribute__((constructor(101))) void make_first_key() {
  pthread_key_create(&keys[0], destroy_key_value);
}

struct Owner {
  std::unique_ptr<char[]> buffer = std::make_unique<char[]>(1000);
  std::vector<int> numbers = std::vector<int>(100, 7);
  ~Owner() {
    destructor_calls.fetch_add(1);
    numbers.resize(5000);
    use_heap(destructor_calls.load());
  }
};

thread_local Owner owner;

void arm_destructors() {
  owner.numbers[0] = 8;  // constructs it
  for (pthread_key_t key : keys)
    pthread_setspecific(key, new (malloc(sizeof(KeyValue)))
                                 KeyValue{key, PTHREAD_DESTRUCTOR_ITERATIONS});
}

void* end_somehow(void* argument) {
  auto how = uintptr_t(argument);
  arm_destructors();
  use_heap(how);
  switch (how % 3) {
  case 0:
    return nullptr;
  case 1:
    pthread_exit(nullptr);
  default:
    for (;;) pause();  // a cancellation point
  }
}

void end_threads(Random& random) {
  pthread_t threads[6];
  for (pthread_t& thread : threads) {
    uintptr_t how = uintptr_t(&thread - threads);
    int error = pthread_create(&thread, nullptr, end_somehow, reinterpret_cast<void*>(how));
    REQUIRE(error == 0, "pthread_create: %s", strerror(error));
  }
  free_parcel(make_parcel(random, 10000));
  for (size_t i = 0; i < 6; ++i) {
    if (i % 3 == 2) pthread_cancel(threads[i]);
    pthread_join(threads[i], nullptr);
  }
  std::thread(arm_destructors).detach();
}

// A detached thread has ended when the kernel no longer counts it. The helper is not the program's.
void wait_for_threads(size_t remaining) {
  for (Tasks tasks = count_tasks(); tasks.all - tasks.helpers > remaining; tasks = count_tasks())
    sleep_seconds(0.001);
}

[[noreturn]] void leave_main_thread() {
  // The process goes on in the other thread, which ends it.
  std::thread([] {
    wait_for_threads(2);  // the main one stays behind, ended
    for (uint64_t i = 0; i < 100; ++i) use_heap(i);
    table.clear();
    REQUIRE(destructor_calls.load() > 100, "%zu destructor calls", destructor_calls.load());
    require_valid_heap();
    printf("%zu destructor calls\n", destructor_calls.load());
    exit(0);
  }).detach();
  pthread_exit(nullptr);
}

}  // namespace
}  // namespace blackbox

int main() {
  using namespace blackbox;
  free(malloc(10));
  REQUIRE(pthread_key_create(&keys[1], destroy_key_value) == 0, "%s", strerror(errno));
  Random random(1);
  Deadline deadline(scaled(1.2));
  while (!deadline.passed()) end_threads(random);
  wait_for_threads(1);
  arm_destructors();
  leave_main_thread();
}
