// Mappings that are split, overlap, move, are committed and taken back, against a model that has a record for each page.
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <random>
#include <thread>
#include <vector>

#include "tests/mapped/calls_fixture.h"

namespace tenure::mapped {
namespace {

constexpr int kReadWrite = PROT_READ | PROT_WRITE;
constexpr uint64_t kMostRuns = 16;  // What a move keeps apart.

// What the rules of docs/process-limit.md make of a page.
struct ModelPage {
  bool mapped = false;
  bool anonymous = false;
  bool writable = false;
  bool resident = false;
  bool charged = false;

  void become(int protection, bool is_anonymous, bool reserves) {
    *this = {true, is_anonymous, (protection & PROT_WRITE) != 0, false, false};
    charged = anonymous && writable && !reserves;
  }
  void protect(int protection) {
    writable = (protection & PROT_WRITE) != 0;
    if (anonymous && writable) charged = true;
    if (!writable && !resident) charged = false;
  }
  void discard() {
    resident = false;
    if (!writable) charged = false;
  }
};

class Window {
public:
  static constexpr uint64_t kPages = 256;

  explicit Window(unsigned seed) : random_(seed), pages_(kPages) {
    base_ = static_cast<char*>(
        map(nullptr, kPages * kPageSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    for (ModelPage& page : pages_) page.become(PROT_NONE, true, false);
  }
  ~Window() { EXPECT_EQ(unmap(base_, kPages * kPageSize), 0); }

  uint64_t charged() const {
    uint64_t sum = 0;
    for (const ModelPage& page : pages_) sum += page.charged;
    return sum;
  }
  void check() const {
    uint64_t page = 0;
    page_states.for_each_run({first_page(), kPages}, [&](PageRange run, PageState state) {
      for (const uint64_t end = page + run.count; page < end; ++page)
        ASSERT_EQ(PageStates::is_charged(state), pages_[page].charged) << "page " << page;
    });
  }
  void step() {
    pick();
    switch (random_() % 8) {
    case 0:
      return map_over();
    case 1:
      return unmap_part();
    case 2:
    case 3:
      return protect_part();
    case 4:
      return discard_part();
    case 5:
      return move_part();
    default:
      return touch_part();
    }
  }

private:
  uint64_t first_page() const { return reinterpret_cast<uint64_t>(base_) / kPageSize; }
  char* at(uint64_t page) const { return base_ + page * kPageSize; }
  void pick() {
    first_ = random_() % kPages;
    count_ = 1 + random_() % (random_() % 4 == 0 ? kPages - first_ : kMostRuns);
    if (count_ > kPages - first_) count_ = kPages - first_;
  }
  template <typename F>
  void for_part(F f) {
    for (uint64_t i = first_; i < first_ + count_; ++i) f(pages_[i]);
  }
  bool all_mapped(uint64_t first, uint64_t count) const {
    for (uint64_t i = first; i < first + count; ++i)
      if (!pages_[i].mapped) return false;
    return true;
  }

  void map_over() {
    const int protections[] = {PROT_NONE, PROT_READ, kReadWrite, kReadWrite};
    const int protection = protections[random_() % 4];
    const unsigned kind = random_() % 6;
    const int flags = kind == 0   ? MAP_SHARED
                      : kind == 1 ? MAP_PRIVATE | MAP_NORESERVE
                                  : MAP_PRIVATE;
    ASSERT_EQ(
        map(at(first_), count_ * kPageSize, protection, flags | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
        at(first_));
    for_part([&](ModelPage& page) { page.become(protection, kind != 0, kind == 1); });
  }
  void unmap_part() {
    // The window stays the window's: nobody else may map into it.
    ASSERT_EQ(unmap(at(first_), count_ * kPageSize), 0);
    for_part([](ModelPage& page) { page = {}; });
  }
  void protect_part() {
    if (!all_mapped(first_, count_)) return;
    const int protections[] = {PROT_NONE, PROT_READ, kReadWrite};
    const int protection = protections[random_() % 3];
    ASSERT_EQ(protect(at(first_), count_ * kPageSize, protection, kNoKey), 0);
    for_part([&](ModelPage& page) { page.protect(protection); });
  }
  void discard_part() {
    if (!all_mapped(first_, count_)) return;
    ASSERT_EQ(advise(at(first_), count_ * kPageSize, MADV_DONTNEED), 0);
    for_part([](ModelPage& page) { page.discard(); });
  }
  void touch_part() {
    for (uint64_t i = first_; i < first_ + count_; ++i) {
      if (!pages_[i].writable) continue;
      *static_cast<volatile char*>(at(i)) = 1;
      pages_[i].resident = true;
    }
  }
  // The kernel moves within one mapping only, and refuses otherwise.
  void move_part() {
    if (count_ > kMostRuns || !all_mapped(first_, count_)) return;
    const uint64_t to = random_() % (kPages - count_ + 1);
    if (to < first_ + count_ && first_ < to + count_) return;
    void* const moved = remap(at(first_), count_ * kPageSize, count_ * kPageSize,
                              MREMAP_MAYMOVE | MREMAP_FIXED, at(to));
    if (moved == MAP_FAILED) {
      // It may have unmapped the target before.
      ASSERT_EQ(map(at(to), count_ * kPageSize, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                    -1, 0),
                at(to));
      for (uint64_t i = to; i < to + count_; ++i) pages_[i].become(PROT_NONE, true, false);
      return;
    }
    for (uint64_t i = 0; i < count_; ++i) {
      pages_[to + i] = pages_[first_ + i];
      pages_[first_ + i] = {};
    }
    ++moves;
  }

  std::mt19937 random_;
  std::vector<ModelPage> pages_;
  char* base_;
  uint64_t first_ = 0, count_ = 1;

public:
  unsigned moves = 0;
};

class CallsStressTest : public CallsTest {};

TEST_F(CallsStressTest, FollowsAModel) {
  for (unsigned seed = 1; seed <= 4; ++seed) {
    Window window(seed);
    for (int i = 0; i < 4000; ++i) {
      window.step();
      if (i % 16 == 0) window.check();
      ASSERT_EQ(charged_bytes(), window.charged() * kPageSize) << "seed " << seed << ", step " << i;
      if (HasFailure()) return;
    }
    expect_charged(window.charged());
    EXPECT_GT(window.moves, 20u);
  }
}

// Each child goes on with a copy of the account, and what it does is its own.
TEST_F(CallsStressTest, ForkChildrenGoOnByThemselves) {
  Window window(17);
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 50; ++i) window.step();
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      for (int i = 0; i < 200; ++i) window.step();
      window.check();
      const bool right = charged_bytes() == window.charged() * kPageSize &&
                         charged_for_mappings() == charged_bytes();
      _exit(right && !HasFailure() ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0) << round;
    window.check();
    expect_charged(window.charged());
  }
}

// Addresses that one thread gives up are another's at once.
void map_and_unmap(unsigned seed, int rounds) {
  std::mt19937 random(seed);
  struct Mapping {
    char* p;
    size_t bytes;
  };
  std::vector<Mapping> mine;
  for (int i = 0; i < rounds; ++i) {
    const size_t bytes = (1 + random() % 64) * kPageSize;
    if (mine.size() < 8 || random() % 2 == 0) {
      const int protection = random() % 3 == 0 ? PROT_NONE : kReadWrite;
      void* const p = map(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      ASSERT_NE(p, MAP_FAILED);
      mine.push_back({static_cast<char*>(p), bytes});
      continue;
    }
    std::swap(mine[random() % mine.size()], mine.back());
    Mapping& last = mine.back();
    if (random() % 3 == 0) {
      void* const p = remap(last.p, last.bytes, bytes, MREMAP_MAYMOVE, nullptr);
      ASSERT_NE(p, MAP_FAILED);
      last = {static_cast<char*>(p), bytes};
      continue;
    }
    ASSERT_EQ(unmap(last.p, last.bytes), 0);
    mine.pop_back();
  }
  for (const Mapping& each : mine) ASSERT_EQ(unmap(each.p, each.bytes), 0);
}

TEST_F(CallsStressTest, ThreadsBalance) {
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 4; ++t) threads.emplace_back(map_and_unmap, t, 4000);
  for (std::thread& thread : threads) thread.join();
  expect_charged(0);
}

// A handler that maps, in the midst of a call that does.
TEST_F(CallsStressTest, SignalHandlersMayMap) {
  struct sigaction action {};
  action.sa_handler = [](int) {
    const int saved = errno;
    void* const p = map(nullptr, 3 * kPageSize, kReadWrite, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED || unmap(p, 3 * kPageSize) != 0) _exit(99);
    errno = saved;
  };
  ASSERT_EQ(sigaction(SIGUSR1, &action, nullptr), 0);
  const pthread_t worker = pthread_self();
  std::atomic<bool> done{false};
  std::thread bother([&] {
    while (!done.load()) pthread_kill(worker, SIGUSR1);
  });
  map_and_unmap(5, 3000);
  done.store(true);
  bother.join();
  expect_charged(0);
}

}  // namespace
}  // namespace tenure::mapped
