// The rows, each for any of the backends.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstring>
#include <pthread.h>
#include <random>
#include <sched.h>
#include <string>
#include <thread>

#include "tenants/backend.h"
#include "tenants/measure.h"

namespace bench {

// malloc and free of one size: in the root, and inside a tenant that holds `held` bytes in objects of that size. A tenant of Tenure
// that holds little has its objects in slabs that tenants share; one that fills many slabs has slabs of its own.
template <typename Backend>
void pair_row(double seconds, std::size_t size, std::size_t held) {
  const auto tenant = Backend::create({}, "tenant");
  std::vector<void*> objects(held / size);
  const auto outer = Backend::enter(tenant);
  for (void*& object : objects) object = Backend::allocate(tenant, size);
  Backend::leave(outer);
  const auto outside = [size](std::size_t steps) {
    while (steps-- > 0) free(escape(malloc(size)));
  };
  const auto inside = [size, tenant](std::size_t steps) {
    const auto scope = Backend::enter(tenant);
    while (steps-- > 0) Backend::release(tenant, escape(Backend::allocate(tenant, size)));
    Backend::leave(scope);
  };
  const auto [root, own] = compare(seconds, 200000, outside, inside);
  report("root", "ns", root);
  report("inside", "ns", own);
  for (void* object : objects) Backend::release(tenant, object);
  Backend::destroy(tenant);
}

// A batch of 1000 allocated and touched, then freed in order: an object.
template <typename Backend>
void batch_row(double seconds, std::size_t size) {
  constexpr std::size_t kBatch = 1000;
  const auto tenant = Backend::create({}, "tenant");
  static void* objects[kBatch];
  const auto batch = [](std::size_t steps, auto allocate, auto release) {
    for (std::size_t done = 0; done < steps; done += kBatch) {
      for (void*& object : objects) {
        object = allocate();
        *static_cast<volatile char*>(object) = 1;
      }
      for (void* object : objects) release(object);
    }
  };
  const auto [root, own] = compare(
      seconds, 100 * kBatch,
      [&](std::size_t steps) {
        batch(
            steps, [size] { return malloc(size); }, [](void* object) { free(object); });
      },
      [&](std::size_t steps) {
        const auto outer = Backend::enter(tenant);
        batch(
            steps, [&] { return Backend::allocate(tenant, size); },
            [&](void* object) { Backend::release(tenant, object); });
        Backend::leave(outer);
      });
  report("root", "ns", root);
  report("inside", "ns", own);
  Backend::destroy(tenant);
}

// Into a tenant and out of it: one of the two.
template <typename Backend>
void switch_row(double seconds) {
  const auto tenant = Backend::create({}, "tenant");
  const auto [nothing, both] = compare(
      seconds, 200000,
      [tenant](std::size_t steps) {
        auto* place = &tenant;
        while (steps-- > 0) place = escape(place);
      },
      [tenant](std::size_t steps) {
        while (steps-- > 0) {
          const auto outer = Backend::enter(tenant);
          asm volatile("" : : : "memory");
          Backend::leave(outer);
        }
      });
  report("", "ns", (both - nothing) / 2);
  Backend::destroy(tenant);
}

template <typename Backend>
void create_row(double seconds) {
  std::size_t count = 0;
  std::vector<double> slices;
  for (const double end = seconds_now() + seconds; seconds_now() < end; ++count) {
    const double begin = seconds_now();
    for (int i = 0; i < 100; ++i) Backend::destroy(Backend::create({}, "tenant"));
    slices.push_back((seconds_now() - begin) / 100 * 1e9);
  }
  report("", "ns", median(slices));
}

// What it takes to end a tenant in which `live` objects of 64 bytes stay in use, and as many as `freed` were freed in random order. A million of
// them have pushed everything else out of the processor's caches, so other memory does the same where there are fewer: what is
// compared is the work.
template <typename Backend>
void offline_row(double seconds, std::size_t live, std::size_t freed = 0) {
  constexpr std::size_t kEvicting = std::size_t{256}
                                    << 20;  // Eight third-level caches: twice is too few.
  std::vector<unsigned char> evicting(kEvicting, 1);
  std::vector<double> times;
  std::vector<void*> objects(live + freed);
  std::mt19937 random(1);
  for (const double end = seconds_now() + seconds; times.size() < 5 || seconds_now() < end;) {
    const auto tenant = Backend::create({}, "tenant");
    const auto outer = Backend::enter(tenant);
    objects.resize(live + freed);
    for (void*& object : objects) object = Backend::allocate(tenant, 64);
    if (freed != 0) std::shuffle(objects.begin(), objects.end(), random);
    for (; objects.size() > live; objects.pop_back()) Backend::release(tenant, objects.back());
    Backend::leave(outer);
    for (std::size_t i = 0; i < kEvicting; i += 64) ++evicting[i];
    const double begin = seconds_now();
    Backend::destroy(tenant);
    times.push_back((seconds_now() - begin) * 1e9);
    for (void* object : objects) free(object);
    if constexpr (std::is_same_v<Backend, TenureTenants>) Backend::reap();
  }
  report("", "ns", median(times));
}

// The longest that another thread waits for the creation of a tenant while one with a million live objects and a million free
// ones goes, and what it left is reaped.
template <typename Backend>
void waiting_row(double seconds) {
  constexpr std::size_t kObjects = 1000000;
  std::vector<double> longest;
  std::vector<void*> objects;
  std::mt19937 random(1);
  for (const double end = seconds_now() + seconds; longest.size() < 5 || seconds_now() < end;) {
    const auto tenant = Backend::create({}, "leaving");
    objects.resize(2 * kObjects);
    for (void*& object : objects) object = Backend::allocate_for(tenant, 64);
    std::shuffle(objects.begin(), objects.end(), random);
    for (; objects.size() > kObjects; objects.pop_back()) free(objects.back());
    std::atomic<bool> ready{false}, stop{false};
    double most = 0;
    std::thread creating([&] {
      for (; !stop; ready = true) {
        const double begin = seconds_now();
        const auto other = Backend::create({}, "coming");
        const double waited = seconds_now() - begin;
        if (ready && waited > most) most = waited;
        Backend::destroy(other);
      }
    });
    while (!ready) sched_yield();
    Backend::destroy(tenant);
    Backend::reap();
    stop = true;
    creating.join();
    longest.push_back(most * 1e6);
    for (void* object : objects) free(object);
    Backend::reap();
  }
  report("", "us", median(longest));
}

// Threads in siblings below one parent, each taking and giving back 64 KiB, which is charged at once: nanoseconds a malloc and free.
// A limit of the parent that is never met; SIZE_MAX: no limit.
template <typename Backend>
double storm(double seconds, unsigned count, std::size_t limit) {
  const auto parent = Backend::create({}, "parent");
  if constexpr (std::is_same_v<Backend, TenureTenants>) Backend::limit(parent, limit);
  std::atomic<bool> go{false}, stop{false};
  std::atomic<std::size_t> pairs{0};
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < count; ++i)
    threads.emplace_back([&, i] {
      const auto tenant = Backend::create(parent, ("child" + std::to_string(i)).c_str());
      const auto outer = Backend::enter(tenant);
      while (!go) sched_yield();
      std::size_t done = 0;
      for (; !stop.load(std::memory_order_relaxed); ++done)
        Backend::release(tenant, escape(Backend::allocate(tenant, 64 * 1024)));
      Backend::leave(outer);
      Backend::destroy(tenant);
      pairs += done;
    });
  const double begin = seconds_now();
  go = true;
  usleep(static_cast<useconds_t>(seconds * 1e6));
  stop = true;
  const double end = seconds_now();
  for (std::thread& thread : threads) thread.join();
  Backend::destroy(parent);
  return (end - begin) / static_cast<double>(pairs) * 1e9;
}

// The storm below a parent with a limit and below one without, in turns. The others have no limits.
template <typename Backend>
void storm_row(double seconds, unsigned count) {
  constexpr int kTurns = 5;
  std::vector<double> limited, unlimited;
  for (int turn = 0; turn < kTurns; ++turn) {
    if constexpr (std::is_same_v<Backend, TenureTenants>)
      limited.push_back(storm<Backend>(seconds / kTurns / 2, count, std::size_t{64} << 20));
    unlimited.push_back(storm<Backend>(seconds / kTurns / 2, count, SIZE_MAX));
  }
  if (!limited.empty()) report("limited", "ns", median(limited));
  report("unlimited", "ns", median(unlimited));
}

// Memory that tenants which came and went have left behind.
template <typename Backend>
void cycles_row(std::size_t cycles) {
  const auto churn = [](std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const auto tenant = Backend::create({}, "tenant");
      const auto outer = Backend::enter(tenant);
      void* block = Backend::allocate(tenant, 64);
      Backend::leave(outer);
      Backend::release(tenant, block);
      Backend::destroy(tenant);
    }
  };
  churn(cycles / 20 + 1);
  const std::size_t before = resident_bytes();
  const double begin = seconds_now();
  churn(cycles);
  const double end = seconds_now();
  const std::size_t after = resident_bytes();
  const double growth = after < before ? 0 : static_cast<double>(after - before);
  report("growth", "MiB", growth / 1048576);
  report("growth each", "B", growth / static_cast<double>(cycles));
  report("cycle", "ns", (end - begin) / static_cast<double>(cycles) * 1e9);
}

// A tenant at its limit asks again and again on one CPU; its neighbour works on another, beside it
// and beside a thread that only spins.
template <typename Backend>
void isolation_row(double seconds) {
  const auto pin = [](unsigned nth) {
    cpu_set_t all, one;
    sched_getaffinity(0, sizeof all, &all);
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
      if (CPU_ISSET(cpu, &all) && nth-- == 0) {
        CPU_SET(cpu, &one);
        pthread_setaffinity_np(pthread_self(), sizeof one, &one);
        return true;
      }
    return false;
  };
  const auto greedy = Backend::create({}, "greedy"), neighbour = Backend::create({}, "neighbour");
  Backend::limit(greedy, 1 << 20);
  // On a line of their own: beside what the neighbour's loop writes, the spinning thread would disturb it.
  struct alignas(128) Flags {
    std::atomic<bool> pressing{false}, stop{false};
  } flags;
  std::thread thread([&] {
    if (!pin(1)) return;  // One CPU: nothing to see.
    const auto outer = Backend::enter(greedy);
    static void* held[100000];
    std::size_t count = 0;
    while (!flags.stop.load(std::memory_order_relaxed)) {
      if (!flags.pressing.load(std::memory_order_relaxed)) continue;
      if (void* block = malloc(count % 3 == 0 ? 200000 : 200); block == nullptr)
        for (int i = 0; i < 10 && count > 0; ++i) free(held[--count]);
      else
        held[count++] = block;
    }
    while (count > 0) free(held[--count]);
    Backend::leave(outer);
  });
  pin(0);
  static void* objects[500];
  const auto work = [&](std::size_t steps) {
    const auto outer = Backend::enter(neighbour);
    for (std::size_t i = 0; i < steps; ++i) {
      void*& object = objects[i * 7919 % 500];
      free(object);
      object = malloc(16 + i * 37 % 1000);
    }
    Backend::leave(outer);
  };
  const auto [quiet, pressed] = compare(
      seconds, 500000,
      [&](std::size_t steps) {
        flags.pressing = false;
        work(steps);
      },
      [&](std::size_t steps) {
        flags.pressing = true;
        work(steps);
      });
  flags.stop = true;
  thread.join();
  for (void* object : objects) free(object);
  report("quiet", "ns", quiet);
  report("pressed", "ns", pressed);
  Backend::destroy(greedy);
  Backend::destroy(neighbour);
}

}  // namespace bench
