// The thread's rseq area: where it is and whether it can be used.
//
// glibc 2.35 and later register every thread and publish the area's place relative to the thread pointer. We use that area
// and write only its rseq_cs field: never the ids (TCMalloc's trick of overlaying cpu_id_start breaks on Linux
// 6.19 and later, where such a process is killed).
#pragma once

#include <cstddef>
#include <cstdint>

namespace tenure {

// Field offsets of struct rseq (linux/rseq.h), which is ABI.
constexpr int kRseqCpuId = 4;
constexpr int kRseqCs = 8;

struct RseqAbi {
  bool usable;
  ptrdiff_t offset;  // Of the area from the thread pointer. Readable even where not usable.
};

// Decides once, at bootstrap: glibc has registered the thread, membarrier offers the rseq fence, and the kernel
// is not one whose aborts are known to be broken.
RseqAbi probe_rseq();

// The CPU this thread runs on as rseq says: negative while the thread is not registered.
inline int32_t rseq_cpu(ptrdiff_t offset) {
  const char* thread = static_cast<const char*>(__builtin_thread_pointer());
  return *reinterpret_cast<const volatile int32_t*>(thread + offset + kRseqCpuId);
}

// Ends this thread's registration: its area then reads as not registered, so all fast paths go
// their slow way. Returns the length it was registered with, which rseq_register() wants back; 0 if
// the kernel refuses. Both keep errno.
uint32_t rseq_unregister(ptrdiff_t offset);
// Undoes that. Where the kernel refuses, the thread goes on without: slower, and as right.
bool rseq_register(ptrdiff_t offset, uint32_t length);

}  // namespace tenure
