// A per-CPU region of the test's own, laid out as rcu/rseq_ops.h says.
#pragma once

#include <sched.h>

#include <atomic>

#include "base/memory/os_memory.h"
#include "base/system/topology.h"
#include "base/words/bits.h"
#include "rcu/rseq_ops.h"

namespace tenure {

class PerCpuRegion {
public:
  PerCpuRegion()
      : cpus_(possible_cpus()), memory_(static_cast<char*>(os::reserve(bytes(), kPageSize))) {
    const size_t closed = kClosedAreas * kCpuAreaSize;
    if (!os::commit_read_only(memory_, closed) || !os::commit(memory_ + closed, bytes() - closed)) {
      __builtin_trap();
    }
  }
  ~PerCpuRegion() { os::release(memory_, bytes()); }
  PerCpuRegion(const PerCpuRegion&) = delete;
  PerCpuRegion& operator=(const PerCpuRegion&) = delete;

  uint32_t cpus() const { return cpus_; }
  char* base() const { return memory_ + kClosedAreas * kCpuAreaSize; }
  std::atomic<ChainWord>& word(uint32_t cpu, uint32_t offset) const {
    return *reinterpret_cast<std::atomic<ChainWord>*>(base() + size_t{cpu} * kCpuAreaSize + offset);
  }

private:
  size_t bytes() const { return (kClosedAreas + cpus_) * kCpuAreaSize; }

  const uint32_t cpus_;
  char* const memory_;
};

// Moves the calling thread to one CPU; false if it may not run there.
inline bool pin_to(uint32_t cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  return sched_setaffinity(0, sizeof set, &set) == 0;
}

// Pins the calling thread to the CPU it is on for the scope of the object.
class PinHere {
public:
  PinHere() {
    sched_getaffinity(0, sizeof saved_, &saved_);
    do cpu_ = static_cast<uint32_t>(sched_getcpu());
    while (!pin_to(cpu_));
  }
  ~PinHere() { sched_setaffinity(0, sizeof saved_, &saved_); }
  PinHere(const PinHere&) = delete;
  PinHere& operator=(const PinHere&) = delete;
  uint32_t cpu() const { return cpu_; }

private:
  cpu_set_t saved_;
  uint32_t cpu_;
};

}  // namespace tenure
