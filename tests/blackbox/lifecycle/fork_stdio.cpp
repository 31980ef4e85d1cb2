// The fork test that interposed allocators hang in: stdio streams allocate with the list of all streams
// locked, and fork takes that lock *after* the prepare handlers of an interposer have run. An allocator
// that holds a lock of its own from its prepare handler on waits here forever.

#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <thread>
#include <vector>

#include "tests/blackbox/support/child.h"
#include "tests/blackbox/support/clock.h"
#include "tests/blackbox/support/parcel.h"

namespace blackbox {
namespace {

using StopFlag = std::atomic<bool>;

bool stopped(const StopFlag& stop) { return stop.load(std::memory_order_relaxed); }

// The buffer of a memory stream grows by malloc, under the locks of stdio.
void write_memory_stream() {
  char* text = nullptr;
  size_t length = 0;
  FILE* stream = open_memstream(&text, &length);
  REQUIRE(stream != nullptr, "open_memstream: %s", strerror(errno));
  for (int i = 0; i < 40; ++i)
    fprintf(stream, "line %d of a text that outgrows its buffer several times\n", i);
  fclose(stream);
  REQUIRE(length > 1000 && strncmp(text, "line 0", 6) == 0, "%zu bytes", length);
  free(text);
}

// Writes of this stream allocate, also those that fflush(nullptr) makes with the list locked.
FILE* open_allocating_stream() {
  cookie_io_functions_t functions = {};
  functions.write = [](void*, const char*, size_t length) {
    for (size_t size = 16; size < (1 << 18); size *= 4) free(malloc(size));
    return ssize_t(length);
  };
  FILE* stream = fopencookie(nullptr, "w", functions);
  REQUIRE(stream != nullptr, "fopencookie: %s", strerror(errno));
  return stream;
}

void run() {
  StopFlag stop = false;
  std::vector<std::thread> threads;
  threads.emplace_back([&] {
    while (!stopped(stop)) write_memory_stream();
  });
  threads.emplace_back([&] {
    FILE* stream = open_allocating_stream();
    while (!stopped(stop)) {
      fputs("something to flush", stream);
      fflush(nullptr);  // takes the list lock, then each stream's
    }
    fclose(stream);
  });
  threads.emplace_back([&] {
    Random random(5);
    while (!stopped(stop)) free_parcel(make_parcel(random, 200000));
  });
  Deadline deadline(scaled(2.5));
  int rounds = 0;
  for (; rounds < 1500 && !deadline.passed(); ++rounds) {
    pid_t child = fork();
    REQUIRE(child >= 0, "fork: %s", strerror(errno));
    if (child == 0) {
      write_memory_stream();
      free(malloc(100000));
      _exit(0);
    }
    require_child_success(child, 40, "fork beside stdio");
  }
  stop.store(true);
  for (std::thread& thread : threads) thread.join();
  printf("%d forks\n", rounds);
}

}  // namespace
}  // namespace blackbox

int main() {
  alarm(300);  // fork itself may be what hangs
  blackbox::run();
  blackbox::require_valid_heap();
}
