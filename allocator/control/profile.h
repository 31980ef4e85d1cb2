// Heap profiles: begin, end, and write down what sampling has found.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tenure {

struct Tenant;

constexpr uint64_t kUsualMean = 512 * 1024;
constexpr uint64_t kSmallestMean = 16, kLargestMean = uint64_t{1} << 40;

// Samples one allocation in `mean` bytes on average, from the next on. What was found before stays. 0, -EINVAL, -ENOMEM. Not in a signal
// handler.
int start_profile(uint64_t mean);
// No more samples. Those whose objects live are kept until these are freed.
void stop_profile();
// Bytes between two samples on average; 0: nothing is sampled.
uint64_t profile_mean();

// The ten sites that have most in use of the tenant and those below it, as sampled: lines on standard error. Async-signal-safe.
void report_largest_sites(const Tenant& top);

struct ProfileSite;
struct ProfileTenant;
bool is_online(const ProfileTenant& label);

// Sampled objects of a site, and how many objects each stands for.
struct SiteCounts {
  uint64_t allocated, in_use;
  double weight;
};
SiteCounts counts_of(const ProfileSite& site);

// Writes a snapshot (docs/profiling.md has the format). 0, or the negative errno of the write that failed. Allocates nothing. Others go
// on meanwhile: counts are those of about now. More than `most` bytes are -EFBIG.
int dump_profile(int fd, uint64_t most = UINT64_MAX);
// The same into a new file. %p in the name stands for the process's number.
int dump_profile(const char* file);

}  // namespace tenure
