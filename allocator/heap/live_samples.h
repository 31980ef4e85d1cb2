// The samples whose objects are alive: from when, and which site allocated them.
#pragma once

#include <atomic>
#include <cstdint>

#include "allocator/heap/profile_sites.h"

namespace tenure {

struct LiveSample {
  // The object; 0: there is none, the sample is free for the next. Stored last, with release.
  std::atomic<uint64_t> object{0};
  std::atomic<ProfileSite*> site{nullptr};
  std::atomic<uint32_t> born{0};  // coarse_ms()
  std::atomic<uint32_t> next{0};  // Link of the free ones.
  bool isolated = false;          // Written by who takes the sample, read by who frees its object.
};

// A sample of the object, or 0: there is no memory. Counts the object at the site. nullptr: no site was to be had.
uint32_t take_sample(const void* object, ProfileSite* site, bool isolated);
// The object is about to be freed. Whether it was an isolated tenant's.
bool end_sample(uint32_t number);

// Calls f(const LiveSample&) for each; others begin and end meanwhile.
void visit_samples(void (*f)(const LiveSample&, void* argument), void* argument);
template <typename F>
void for_each_sample(F f) {
  visit_samples(
      [](const LiveSample& sample, void* function) { (*static_cast<F*>(function))(sample); }, &f);
}

}  // namespace tenure
