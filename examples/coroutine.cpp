// Coroutines that keep their tenant: the tenant is current whenever they run, on any thread.
#undef NDEBUG
#include <tenure/tenure.hpp>

#include <cassert>
#include <coroutine>
#include <cstdio>
#include <deque>
#include <string>
#include <thread>
#include <vector>

namespace {

std::deque<std::coroutine_handle<>> ready;  // A minimal event loop.

struct Yield {
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> coroutine) { ready.push_back(coroutine); }
  void await_resume() const {}
};

tenure::Task<std::string> fetch(int size) {
  co_await Yield();  // As if it waited for the network.
  co_return std::string(static_cast<size_t>(size), 'x');
}

tenure::Task<> serve(size_t& bytes) {
  const tenure::Tenant home = tenure::Tenant::current();
  for (int i = 1; i <= 3; ++i) {
    const std::string body = co_await fetch(i * 100000);
    assert(tenure::Tenant::current() == home);
    assert(tenure::Tenant::owner(body.data()) == home);
    bytes += body.size();
  }
}

}  // namespace

int main() {
  tenure::Tenant tenants[] = {tenure::Tenant::create("acme"), tenure::Tenant::create("globex")};
  size_t bytes[2] = {};
  {
    std::vector<tenure::Task<>> tasks;
    for (size_t i = 0; i < 2; ++i) {
      const tenure::Scope scope(tenants[i]);
      tasks.push_back(serve(bytes[i]));  // The frame is charged to the tenant, too.
      ready.push_back(tasks.back().handle());
    }
    // Each step runs on a thread of its own. The threads know nothing of tenants.
    for (; !ready.empty(); ready.pop_front()) std::thread(ready.front()).join();
    for (const auto& task : tasks) assert(task.done());
  }
  for (size_t i = 0; i < 2; ++i) {
    std::printf("%s: %zu bytes served, peak %zu\n", tenants[i].path().c_str(), bytes[i],
                tenants[i].stats().peak);
    assert(bytes[i] == 600000 && tenants[i].stats().peak > 300000);
    tenants[i].offline();
  }
}
