// The heap from the first instruction of the program to its last: .preinit_array (which runs before the
// constructors of any library), constructors by priority, static objects, atexit, on_exit, quick_exit,
// destructors by priority. What the early ones allocate the late ones check and free.
//
// Without arguments it runs itself once for each way to end and compares what was called.

#include <stdlib.h>
#include <string>
#include <unistd.h>
#include <vector>

#include "tests/blackbox/support/child.h"
#include "tests/blackbox/support/parcel.h"

namespace blackbox {
namespace {

enum Stage { kPreinit, kFirst, kStatic, kMain, kStages };
Parcel* parcels[kStages];

void say(const char* stage) {
  char line[64];
  int length = snprintf(line, sizeof line, "%s\n", stage);
  REQUIRE(write(STDOUT_FILENO, line, size_t(length)) == length, "write");
}

void allocate(Stage stage) {
  Random random(stage + 1);
  for (int i = 0; i < 200; ++i) free_parcel(make_parcel(random, 50000));
  parcels[stage] = make_parcel(random, 3000);
  free_parcel(make_parcel(random, 4 << 20));
}

void release(Stage stage) {
  Random random(stage + 11);
  for (int i = 0; i < 200; ++i) free_parcel(make_parcel(random, 50000));
  free_parcel(parcels[stage]);
  parcels[stage] = nullptr;
}

void preinit(int, char**, char**) { allocate(kPreinit); }
__attribute__((section(".preinit_array"), used)) void (*preinit_entry)(int, char**,
                                                                       char**) = preinit;

__attribute__((constructor(101))) void construct_first() { allocate(kFirst); }

__attribute__((destructor(101))) void destroy_last() {
  release(kFirst);
  release(kPreinit);
  require_valid_heap();
  say("destructor");
}

struct Static {
  std::vector<std::string> words;
  Static() {
    allocate(kStatic);
    for (int i = 0; i < 100; ++i) words.push_back(std::string(size_t(i) * 10, 'w'));
  }
  ~Static() {
    for (size_t i = 0; i < words.size(); ++i) REQUIRE(words[i].size() == i * 10, "word %zu", i);
    words.resize(3000, "grown at the end");
    release(kStatic);
    say("static");
  }
} static_object;

void at_exit() {
  release(kMain);
  allocate(kMain);
  release(kMain);
  say("atexit");
  // Handlers may add handlers.
  atexit([] {
    free(malloc(1000));
    say("nested");
  });
}

void on_exit_function(int, void* buffer) {
  free(buffer);
  say("on_exit");
}

int end(const std::string& how) {
  allocate(kMain);
  atexit(at_exit);
  on_exit(on_exit_function, malloc(500));
  at_quick_exit([] {
    release(kMain);
    release(kStatic);
    require_valid_heap();
    say("at_quick_exit");
  });
  if (how == "exit") exit(0);
  if (how == "quick_exit") quick_exit(0);
  if (how == "_exit") _exit(0);
  return 0;
}

void expect(const char* how, const char* output) {
  ChildResult result = run_self({how});
  REQUIRE(result.exited(0) && result.out == output, "%s: %s", how, result.describe().c_str());
}

}  // namespace
}  // namespace blackbox

int main(int count, char** arguments) {
  using namespace blackbox;
  if (count > 1) return end(arguments[1]);
  // atexit and on_exit share one stack with the destructors of static objects.
  const char* all = "on_exit\natexit\nnested\nstatic\ndestructor\n";
  expect("return", all);
  expect("exit", all);
  expect("quick_exit", "at_quick_exit\n");
  expect("_exit", "");
}
