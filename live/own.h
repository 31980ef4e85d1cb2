// Tells whether the mapped live region is this process's own. In a fork child the parent's region stays mapped until the child takes its
// own.
#pragma once

#include <atomic>
#include <cstdint>

namespace tenure::live {

enum Ownership : uint32_t {
  kParents = 0,
  kOurs = 1,
  // The region is this process's own. Usage has to be computed again as soon as this thread is outside any read section, because the thread
  // was perhaps in the middle of a charge when a signal handler took the region.
  kToMend = 2,
  // A thread is taking the region.
  kMoving = 3,
};

// The word lies in a page that the kernel clears in every child with memory of its own (MADV_WIPEONFORK). Without a region the word is a
// constant. Relaxed: written before the first tenant is made.
extern constinit std::atomic<std::atomic<uint32_t>*> ownership;

// Called before each use of a counter. Acquire: pairs with the release of the thread that has taken the region.
inline bool is_ours() {
  return ownership.load(std::memory_order_relaxed)->load(std::memory_order_acquire) == kOurs;
}

}  // namespace tenure::live
