#include "tests/blackbox/environment/workload.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <unistd.h>

#include "tests/blackbox/support/child.h"
#include "tests/blackbox/support/parcel.h"

namespace blackbox {

namespace {

ParcelTable<256> table;

void churn(Random& random, int operations, const WorkloadOptions& options) {
  for (int i = 0; i < operations; ++i) {
    Parcel* parcel = random.one_in(8) ? nullptr : make_parcel(random, 40000);
    REQUIRE(parcel != nullptr || options.memory_is_limited || errno != ENOMEM, "no memory");
    table.replace(random, parcel);
  }
}

// The allocator's knowledge of what is zero must not rest on a call that is refused here.
void require_zeroed_memory(bool limited) {
  for (size_t size : {size_t(40), size_t(3000), size_t(60000), size_t(700000)}) {
    for (int round = 0; round < 2; ++round) {
      void* objects[24];
      for (void*& object : objects) {
        errno = 0;
        object = calloc(1, size);
        REQUIRE(object != nullptr || (limited && errno == ENOMEM), "calloc of %zu", size);
        REQUIRE(object == nullptr || is_zero(object, size), "calloc of %zu, round %d", size, round);
        if (object != nullptr) memset(object, 0xAB, malloc_usable_size(object));
      }
      for (void* object : objects) free(object);
      malloc_trim(0);
    }
  }
}

void grow_and_shrink(const WorkloadOptions& options) {
  size_t size = 1000;
  void* object = malloc(size);
  REQUIRE(object != nullptr, "malloc");
  fill_pattern(object, size, size);
  for (bool growing = true; size > 100;) {
    size_t next = growing ? size * 3 / 2 : size / 3;
    if (next > options.largest) {
      growing = false;
      continue;
    }
    errno = 0;
    void* moved = realloc(object, next);
    if (moved == nullptr) {
      REQUIRE(options.memory_is_limited && errno == ENOMEM, "realloc to %zu, errno %d", next,
              errno);
      growing = false;
      moved = object;
      next = size;
      if (size < 3000) break;
      size = next;
      object = realloc(moved, size / 3);
      REQUIRE(object != nullptr, "shrinking to %zu", size / 3);
      REQUIRE(find_mismatch(object, size, size, size / 3) == kNoMismatch, "lost contents");
      size /= 3;
      fill_pattern(object, size, size);
      continue;
    }
    size_t wrong = find_mismatch(moved, size, size, next);
    REQUIRE(wrong == kNoMismatch, "realloc from %zu to %zu lost offset %zu", size, next, wrong);
    object = moved;
    size = next;
    fill_pattern(object, size, size);
  }
  free(object);
}

// Growth that finds its neighbours in use and has to move. A system call that would move the pages and
// is refused may have taken the destination away already.
void move_large_objects(const WorkloadOptions& options) {
  void* neighbours[16];
  for (size_t i = 0; i < 16; ++i) {
    size_t size = (300 << 10) + i * 7919 % 4000 * 1024, larger = size * 3 / 2;
    void* object = malloc(size);
    neighbours[i] = malloc(5000);
    if (object == nullptr) {
      REQUIRE(options.memory_is_limited, "no memory");
      continue;
    }
    fill_pattern(object, size, i);
    void* moved = realloc(object, larger);
    REQUIRE(moved != nullptr || options.memory_is_limited, "no memory");
    size_t wrong = find_mismatch(moved != nullptr ? moved : object, size, i);
    REQUIRE(wrong == kNoMismatch, "realloc from %zu to %zu lost offset %zu", size, larger, wrong);
    if (moved != nullptr) memset(moved, 2, larger);
    free(moved != nullptr ? moved : object);
    void* reused = calloc(1, larger);
    REQUIRE(reused != nullptr || options.memory_is_limited, "no memory");
    REQUIRE(reused == nullptr || is_zero(reused, larger), "calloc of %zu", larger);
    if (reused != nullptr) memset(reused, 3, larger);
    free(reused);
    if (i % 3 != 0) {
      free(neighbours[i]);
      neighbours[i] = nullptr;
    }
  }
  for (size_t i = 0; i < 16; i += 3) free(neighbours[i]);
}

struct ThreadArgument {
  const WorkloadOptions* options;
  uint64_t seed;
};

void* churn_in_thread(void* argument) {
  auto* given = static_cast<ThreadArgument*>(argument);
  Random random(mix(given->seed));
  churn(random, 2000, *given->options);
  return nullptr;
}

void churn_in_threads(const WorkloadOptions& options) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 128 << 10);  // a stack counts against the limits as well
  pthread_t threads[3];
  ThreadArgument arguments[3];
  for (size_t i = 0; i < 3; ++i) {
    arguments[i] = {&options, i};
    int error = pthread_create(&threads[i], &attributes, churn_in_thread, &arguments[i]);
    REQUIRE(error == 0, "pthread_create: %s", strerror(error));
  }
  for (pthread_t thread : threads) pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

}  // namespace

void run_workload(const WorkloadOptions& options) {
  Random random(1);
  churn(random, 3000, options);
  require_zeroed_memory(options.memory_is_limited);
  grow_and_shrink(options);
  move_large_objects(options);
  if (options.threads) churn_in_threads(options);
  malloc_trim(0);
  churn(random, 1000, options);
  pid_t child = fork();
  REQUIRE(child >= 0, "fork: %s", strerror(errno));
  if (child == 0) {
    churn(random, 1000, options);
    table.clear();
    _exit(0);
  }
  require_child_success(child, 30, "the child of the workload");
  table.clear();
  require_valid_heap();
}

size_t exhaust(size_t object_size, size_t cap) {
  struct Link {
    Link* next;
    uint64_t number;
  };
  Link* list = nullptr;
  size_t bytes = 0;
  for (; bytes < cap; bytes += object_size) {
    errno = 0;
    auto* link = static_cast<Link*>(malloc(object_size));
    if (link == nullptr) {
      REQUIRE(errno == ENOMEM, "errno %d after %zu bytes", errno, bytes);
      break;
    }
    *link = {list, bytes};
    list = link;
  }
  // It stays so, on every way in.
  if (bytes < cap) {
    for (int i = 0; i < 100; ++i) free(calloc(1, object_size));
    void* out = &out;
    int error = posix_memalign(&out, 4096, size_t(1) << 40);
    REQUIRE(error == ENOMEM && out == &out, "posix_memalign: %d", error);
    REQUIRE(realloc(nullptr, size_t(1) << 40) == nullptr, "realloc");
  }
  for (size_t expected = bytes; list != nullptr;) {
    expected -= object_size;
    REQUIRE(list->number == expected, "object %zu holds %lu", expected, list->number);
    Link* next = list->next;
    free(list);
    list = next;
  }
  malloc_trim(0);
  void* again = malloc(object_size);
  REQUIRE(again != nullptr || bytes == 0, "no memory although %zu bytes were freed", bytes);
  free(again);
  return bytes;
}

}  // namespace blackbox
