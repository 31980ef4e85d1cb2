// dlopen and dlclose of a plugin that allocates, from several threads, while others allocate.
// argv[1]: the plugin.

#include <dlfcn.h>
#include <thread>
#include <vector>

#include "tests/blackbox/support/clock.h"
#include "tests/blackbox/support/parcel.h"

namespace blackbox {
namespace {

void use_plugin(const char* path, uint64_t rounds) {
  void* handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  REQUIRE(handle != nullptr, "%s", dlerror());
  auto* make = reinterpret_cast<char* (*)(size_t)>(dlsym(handle, "plugin_make"));
  auto* consume = reinterpret_cast<size_t (*)(char*)>(dlsym(handle, "plugin_consume"));
  REQUIRE(make != nullptr && consume != nullptr, "symbols");
  for (size_t size = 1; size < 100 + rounds; size += 7) {
    char* text = make(size);  // its malloc, our free, and the other way round
    REQUIRE(text != nullptr && strlen(text) == size, "a text of %zu", size);
    free(text);
    auto* ours = static_cast<char*>(malloc(size + 1));
    memset(ours, 'b', size);
    ours[size] = 0;
    REQUIRE(consume(ours) >= size, "a text of %zu", size);
  }
  REQUIRE(dlsym(handle, "no such symbol") == nullptr, "found");
  REQUIRE(dlerror() != nullptr, "the message is allocated");
  dlclose(handle);
}

void run(const char* path) {
  std::vector<std::thread> threads;
  Deadline deadline(scaled(0.8));
  for (uint64_t seed = 0; seed < 2; ++seed)
    threads.emplace_back([&, seed] {
      Random random(seed);
      while (!deadline.passed())
        // A thread of its own, so that the plugin's thread-locals come and go.
        std::thread([&] { use_plugin(path, random.below(100)); }).join();
    });
  threads.emplace_back([&] {
    Random random(3);
    while (!deadline.passed()) free_parcel(make_parcel(random, 30000));
  });
  while (!deadline.passed()) use_plugin(path, 10);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace blackbox

int main(int count, char** arguments) {
  REQUIRE(count == 2, "usage: plugin_host PLUGIN");
  blackbox::run(arguments[1]);
  blackbox::require_valid_heap();
}
