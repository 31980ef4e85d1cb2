// A plugin that knows nothing of tenants: its constructor allocates, and it starts threads in two ways.
#include <pthread.h>
#include <stdlib.h>

#include <thread>

namespace {
void* made_by_constructor = nullptr;
__attribute__((constructor)) void construct() { made_by_constructor = malloc(100000); }
void* allocate(void* result) {
  *static_cast<void**>(result) = malloc(100000);
  return nullptr;
}
}  // namespace

extern "C" void* plugin_constructed() { return made_by_constructor; }
extern "C" void* plugin_in_thread() {
  void* result = nullptr;
  pthread_t thread;
  pthread_create(&thread, nullptr, allocate, &result);
  pthread_join(thread, nullptr);
  return result;
}
extern "C" void* plugin_in_std_thread() {
  void* result = nullptr;
  std::thread([&result] { result = malloc(100000); }).join();
  return result;
}
