// Does something after each single instruction of a function, from another thread: the processor's trap flag stops the thread
// that runs it. x86-64 only.
#pragma once

#if defined(__x86_64__)
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <ucontext.h>

#include <atomic>
#include <cstdint>
#include <thread>

namespace tenure {

class EveryInstruction {
public:
  // Runs body() on a thread of its own; after every `stride`-th instruction of it from number `first` on, look(number) on this
  // one, until it returns false, from where on nothing is counted.
  // Returns how many instructions there were.
  template <typename Body, typename Look>
  static uint64_t run(uint64_t first, uint64_t stride, Body body, Look look) {
    steps = 0;
    next = first;
    state = State::kRunning;
    struct sigaction stop {
    }, before;
    stop.sa_sigaction = on_trap;
    stop.sa_flags = SA_SIGINFO;
    sigaction(SIGTRAP, &stop, &before);
    std::thread stepped([&body] {
      asm volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc");
      body();
      asm volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "memory", "cc");
      state = State::kDone;
    });
    bool looking = true;
    while (state != State::kDone) {
      if (state != State::kStopped) {
        sched_yield();
        continue;
      }
      looking = looking && look(steps);
      next = looking ? next + stride : UINT64_MAX;
      state = State::kRunning;
    }
    stepped.join();
    sigaction(SIGTRAP, &before, nullptr);
    return steps;
  }

private:
  enum class State : uint8_t { kRunning, kStopped, kDone };

  static void on_trap(int, siginfo_t*, void* context) {
    if (++steps < next) return;
    const int saved = errno;
    state = State::kStopped;
    while (state == State::kStopped) sched_yield();
    errno = saved;
    // Nobody looks any more: the rest at full speed.
    if (next == UINT64_MAX)
      static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL] &= ~0x100LL;
  }

  static inline uint64_t steps, next;
  static inline std::atomic<State> state;
};

}  // namespace tenure
#endif
