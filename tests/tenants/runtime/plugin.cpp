// A library that is opened: its thread-locals come into being for each thread at the first use.

#include <exception>
#include <vector>

namespace {

thread_local char block[100'000];

struct Destructible {
  int value = 0;
  ~Destructible() { value = -1; }
};
thread_local Destructible destructible;

struct Large {
  char bytes[1000];
};

}  // namespace

extern "C" char* plugin_block() { return block; }

extern "C" int plugin_destructible() { return ++destructible.value; }

// With as many exceptions alive at a time; `kept` has room for them.
extern "C" int plugin_throw(void* kept, int count) {
  auto& exceptions = *static_cast<std::vector<std::exception_ptr>*>(kept);
  for (int i = 0; i < count; ++i) {
    try {
      throw Large();
    } catch (...) {
      exceptions.push_back(std::current_exception());
    }
  }
  exceptions.clear();
  return count;
}
