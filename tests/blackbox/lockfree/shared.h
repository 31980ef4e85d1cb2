#pragma once

#include <atomic>
#include <stdint.h>
#include <sys/types.h>

namespace blackbox {

// The parts of the process under test that must go on while its victim thread stands still.
inline constexpr const char* kWorkerNames[] = {"small objects", "mixed sizes", "large objects",
                                               "malloc_trim", "fork"};
inline constexpr uint32_t kWorkers = sizeof kWorkerNames / sizeof kWorkerNames[0];

// Memory that tracer and process share. The tracer raises `round`; every worker then does a fixed amount
// of work and sets its entry of `finished` to that round.
struct Shared {
  std::atomic<uint32_t> round = 0;
  std::atomic<uint32_t> finished[kWorkers] = {};
  std::atomic<pid_t> victim = 0;
  std::atomic<uint64_t> victim_operations = 0;
  std::atomic<bool> stop = false;
};

// The process under test, forked from the tracer: starts victim and workers; ends when told to.
[[noreturn]] void run_process(Shared& shared);

}  // namespace blackbox
