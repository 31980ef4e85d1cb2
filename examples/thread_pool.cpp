// A thread pool that knows nothing of tenants, with tasks that run inside the tenant of their submitter.
#undef NDEBUG
#include <cassert>
#include <cstdio>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <semaphore>
#include <tenure/tenure.hpp>
#include <thread>
#include <vector>

namespace {

class Pool {
public:
  void push(std::function<void()> task) {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    waiting_.release();
  }
  // Runs until it takes an empty function.
  void work() {
    while (const auto task = pop()) task();
  }

private:
  std::function<void()> pop() {
    waiting_.acquire();
    const std::lock_guard lock(mutex_);
    auto task = std::move(tasks_.front());
    tasks_.pop_front();
    return task;
  }
  std::mutex mutex_;
  std::counting_semaphore<> waiting_{0};
  std::deque<std::function<void()>> tasks_;
};

}  // namespace

int main() {
  tenure::Tenant tenants[] = {tenure::Tenant::create("acme"), tenure::Tenant::create("globex")};
  std::vector<std::unique_ptr<char[]>> results(20);
  Pool pool;
  std::thread threads[2];
  for (auto& thread : threads) thread = std::thread([&pool] { pool.work(); });
  tenure::BindingExecutor submit([&pool](auto task) { pool.push(std::move(task)); });
  for (size_t i = 0; i < results.size(); ++i) {
    const tenure::Scope scope(tenants[i % 2]);
    submit([&result = results[i]] { result = std::make_unique<char[]>(100000); });
  }
  for (size_t i = 0; i < 2; ++i) pool.push(nullptr);
  for (auto& thread : threads) thread.join();
  for (size_t i = 0; i < results.size(); ++i)
    assert(tenure::Tenant::owner(results[i].get()) == tenants[i % 2]);
  std::printf("acme: %zu bytes, globex: %zu\n", tenants[0].usage(), tenants[1].usage());
  for (auto& tenant : tenants) tenant.offline();
}
