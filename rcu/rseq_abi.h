// The thread's rseq area: its place, and whether it can be used.
//
// glibc 2.35 and later register every thread and publish the area's place relative to the thread pointer. If glibc did not, each thread has
// an area in the library's own thread-local storage, which the thread's first slow step registers (rseq_join). The library writes only an
// area's rseq_cs field, and cpu_id while the area is not registered. It never writes the ids of a registered area: TCMalloc overlays
// cpu_id_start, which breaks on Linux 6.19 and later, where such a process is killed.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/options/settings.h"

namespace tenure {

// Field offsets of struct rseq (linux/rseq.h), which is ABI.
constexpr int kRseqCpuId = 4;
constexpr int kRseqCs = 8;

// The value of cpu_id in threads that are not registered.
constexpr int32_t kRseqNeverRegistered = -1;
constexpr int32_t kRseqRefused = -2;  // Or, in an area of our own, suspended.

struct RseqAbi {
  bool usable;
  bool own;  // Registered by us.
  ptrdiff_t
      offset;  // Offset of the area from the thread pointer. The area is readable even if it is not usable.
};

// Offset of the library's own areas, or of glibc's areas, which exist if glibc has registered threads. No thread is registered in an own
// area if sequences are not used.
ptrdiff_t rseq_offset(bool own);

// Decides once, at bootstrap: the thread is registered, by glibc or now by us, membarrier offers the rseq fence, and the kernel
// is not one whose aborts are known to be broken.
RseqAbi probe_rseq(RseqUse use);

// The CPU of this thread according to rseq: negative while the thread is not registered.
inline int32_t rseq_cpu(ptrdiff_t offset) {
  const char* thread = static_cast<const char*>(__builtin_thread_pointer());
  return *reinterpret_cast<const volatile int32_t*>(thread + offset + kRseqCpuId);
}

// Registers this thread's own area, if that has not been tried before. Returns whether the thread is registered now. Async-signal-safe,
// keeps errno. The registration ends with the thread: the kernel writes to the area only on the thread's way back to user mode.
bool rseq_join(ptrdiff_t offset);

// Ends this thread's registration. The area then reads as not registered, so all fast paths take the slow path, and rseq_join() leaves an
// own area unchanged. Returns the length of the registration, which rseq_resume() needs; 0 if the kernel refuses. Both keep errno.
uint32_t rseq_suspend(const RseqAbi& abi);
// Registers the thread again. If the kernel refuses, the thread goes on without sequences: slower, and equally correct.
bool rseq_resume(ptrdiff_t offset, uint32_t length);

}  // namespace tenure
