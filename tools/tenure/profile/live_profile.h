// Heap profiles of processes that run, by requests through their live regions.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "tools/tenure/profile/profile_snapshot.h"

namespace tenure::tool {

// For a request's answer.
struct ProfiledProcess {
  std::string process;
  std::chrono::milliseconds patience;
};

// Begins sampling, one allocation in `mean` bytes on average; 0: as the process samples already, or the usual mean. Returns the mean of before, 0
// for none. These three throw a Failure of one line where the process does not answer.
uint64_t start_profile_of(const ProfiledProcess& which, uint64_t mean);
uint64_t stop_profile_of(const ProfiledProcess& which);
Snapshot snapshot_of(const ProfiledProcess& which);

// Samples for so long, or until somebody interrupts the command, then collects. A process that sampled before goes on sampling; with
// `wait` 0 such a process is asked at once, and others are sampled for ten seconds.
Snapshot profile_for(const ProfiledProcess& which, uint64_t mean, std::chrono::milliseconds wait);

}  // namespace tenure::tool
