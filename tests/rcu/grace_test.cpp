#include "rcu/grace.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

namespace tenure::grace {
namespace {

TEST(Grace, CookieZeroHasPassed) {
  EXPECT_TRUE(passed(0));
  EXPECT_TRUE(poll(0));
}

TEST(Grace, PassesAtOnceWithoutReaders) {
  const Cookie cookie = start_poll();
  EXPECT_FALSE(passed(cookie));
  EXPECT_TRUE(poll(cookie));
  EXPECT_TRUE(passed(cookie));
  EXPECT_GT(start_poll(), cookie);
}

TEST(Grace, ReaderHoldsItUp) {
  EXPECT_FALSE(in_read_section());
  std::optional<ReadSection> section(std::in_place);
  EXPECT_TRUE(in_read_section());
  const Cookie cookie = start_poll();
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(poll(cookie));
  section.reset();
  EXPECT_FALSE(in_read_section());
  EXPECT_TRUE(poll(cookie));
}

TEST(Grace, OuterSectionCountsAfterInnerHasEnded) {
  std::optional<ReadSection> outer(std::in_place);
  const Cookie before = start_poll();
  {
    ReadSection inner;
    EXPECT_FALSE(poll(before));
  }
  EXPECT_TRUE(in_read_section());
  EXPECT_FALSE(poll(before));
  outer.reset();
  EXPECT_TRUE(poll(before));
}

TEST(Grace, LaterReadersDoNotHoldUpAnEarlierPeriod) {
  std::optional<ReadSection> early(std::in_place);
  const Cookie cookie = start_poll();
  EXPECT_FALSE(poll(cookie));
  // Sections that come and go, always one open, as in a busy program.
  std::optional<ReadSection> rolling[2];
  rolling[0].emplace();
  early.reset();
  bool done = false;
  for (int i = 1; i < 20 && !done; ++i) {
    rolling[i & 1].emplace();
    rolling[(i & 1) ^ 1].reset();
    done = poll(cookie);
  }
  EXPECT_TRUE(done);
}

// Writers replace an object and poison the old one after a grace period; readers must never see
// poison.
TEST(Grace, StressPublishPoison) {
  constexpr int kRounds = 3000;
  struct Object {
    std::atomic<int> alive{1};
  };
  static Object objects[2 * kRounds + 1];
  static std::atomic<Object*> shared{&objects[0]};
  static std::atomic<int> next{1};
  std::atomic<bool> stop{false};
  std::atomic<long> bad{0};
  std::vector<std::thread> threads;
  for (int r = 0; r < 4; ++r) {
    threads.emplace_back([&] {
      while (!stop.load(std::memory_order_relaxed)) {
        ReadSection section;
        const Object* seen = shared.load(std::memory_order_acquire);
        for (int i = 0; i < 20; ++i) {
          if (seen->alive.load(std::memory_order_relaxed) != 1) bad.fetch_add(1);
        }
      }
    });
  }
  std::vector<std::thread> writers;
  for (int w = 0; w < 2; ++w) {
    writers.emplace_back([&, w] {
      for (int i = 0; i < kRounds; ++i) {
        Object* old = shared.exchange(&objects[next.fetch_add(1)], std::memory_order_acq_rel);
        if (w == 0) {
          synchronize();
        } else {
          const Cookie cookie = start_poll();
          while (!poll(cookie)) std::this_thread::yield();
        }
        old->alive.store(0, std::memory_order_relaxed);
      }
    });
  }
  for (auto& thread : writers) thread.join();
  stop = true;
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(bad.load(), 0);
}

int run_in_child(int (*body)()) {
  const pid_t child = fork();
  if (child == 0) {
    after_fork_child();
    _exit(body());
  }
  int status = -1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(Grace, ForkForgetsReadersOfOtherThreads) {
  std::atomic<bool> inside{false}, leave{false};
  std::thread reader([&] {
    ReadSection section;
    inside = true;
    while (!leave) std::this_thread::yield();
  });
  while (!inside) std::this_thread::yield();
  EXPECT_FALSE(poll(start_poll()));
  EXPECT_EQ(run_in_child([] { return poll(start_poll()) ? 0 : 1; }), 0);
  EXPECT_FALSE(poll(start_poll()));
  leave = true;
  reader.join();
  EXPECT_TRUE(poll(start_poll()));
}

TEST(Grace, ForkInsideASectionWaitsForItsEnd) {
  std::atomic<bool> inside{false}, leave{false};
  std::thread other([&] {
    ReadSection section;
    inside = true;
    while (!leave) std::this_thread::yield();
  });
  while (!inside) std::this_thread::yield();
  {
    std::optional<ReadSection> mine(std::in_place);
    const pid_t child = fork();
    if (child == 0) {
      after_fork_child();
      const Cookie cookie = start_poll();
      { ReadSection nested; }
      const bool early = poll(cookie);
      mine.reset();
      const bool late = poll(cookie);
      // From here on as in any process.
      std::optional<ReadSection> next(std::in_place);
      const Cookie second = start_poll();
      const bool held = !poll(second);
      next.reset();
      _exit(!early && late && held && poll(second) ? 0 : 1);
    }
    int status = -1;
    waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  leave = true;
  other.join();
}

std::atomic<long> handled{0};
void on_signal(int) {
  ReadSection section;
  handled.fetch_add(1, std::memory_order_relaxed);
}

TEST(Grace, SectionsInSignalHandlers) {
  struct sigaction action = {}, old;
  action.sa_handler = on_signal;
  sigaction(SIGUSR1, &action, &old);
  std::atomic<bool> stop{false};
  std::thread reader([&] {
    while (!stop) ReadSection section;
  });
  for (int i = 0; i < 2000; ++i) pthread_kill(reader.native_handle(), SIGUSR1);
  stop = true;
  reader.join();
  sigaction(SIGUSR1, &old, nullptr);
  EXPECT_GT(handled.load(), 0);
  EXPECT_TRUE(poll(start_poll()));
}

}  // namespace
}  // namespace tenure::grace
