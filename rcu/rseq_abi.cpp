#include "rcu/rseq_abi.h"

#include <errno.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <atomic>

#include "base/system/sandbox.h"
#include "base/words/attributes.h"
#include "base/words/bits.h"
#include "rcu/cpu_fence.h"

// Weak: absent before glibc 2.35.
extern "C" {
extern const ptrdiff_t __rseq_offset TENURE_WEAK;
extern const unsigned int __rseq_size TENURE_WEAK;
// Present if the program has librseq, which registers threads itself.
int rseq_register_current_thread(void) TENURE_WEAK;
}

namespace tenure {
namespace {

#if !defined(__SANITIZE_THREAD__) && !defined(TENURE_FALLBACK_ONLY)
constexpr bool kBuiltForRseq = true;
#else
constexpr bool kBuiltForRseq = false;
#endif

// Values are written out: the headers of older systems lack them.
#if defined(__x86_64__)
constexpr long kRseqCall = 334;
constexpr uint32_t kSignature = 0x53053053;
#else
constexpr long kRseqCall = 293;
constexpr uint32_t kSignature = 0xd428bc00;
#endif
constexpr int kUnregister = 1;
constexpr unsigned long kAuxFeatureSize = 27;
constexpr unsigned long kAuxAlignment = 28;
constexpr uint32_t kOriginalLength = 32;

// struct rseq in its first form, which every kernel accepts. Longer forms are for newer features.
struct alignas(32) OwnArea {
  uint32_t cpu_id_start = 0;
  int32_t cpu_id = kRseqNeverRegistered;
  uint64_t rseq_cs = 0;
  uint32_t flags = 0;
  uint32_t node_id =
      0;  // Since Linux 6.3 the kernel writes from here on. The library keeps nothing here.
  uint32_t mm_cid = 0;
  uint32_t reserved = 0;
};
static_assert(sizeof(OwnArea) == kOriginalLength);
thread_local constinit OwnArea own_area __attribute__((tls_model("initial-exec")));

// Thread-local storage of the library is static: the same distance in every thread.
ptrdiff_t own_offset() {
  const char* thread = static_cast<const char*>(__builtin_thread_pointer());
  return reinterpret_cast<const char*>(&own_area) - thread;
}

char* area_at(ptrdiff_t offset) { return static_cast<char*>(__builtin_thread_pointer()) + offset; }

// 0, or the error. Keeps errno.
int rseq_call(ptrdiff_t offset, uint32_t length, int flags) {
  const int saved = errno;
  const bool done = syscall(kRseqCall, area_at(offset), length, flags, kSignature) == 0;
  const int error = done ? 0 : errno;
  errno = saved;
  return error;
}

// One instruction, because signal handlers may join or suspend. No other thread reads the word.
bool change_cpu_id(ptrdiff_t offset, int32_t from, int32_t to) {
  return std::atomic_ref(*reinterpret_cast<int32_t*>(area_at(offset) + kRseqCpuId))
      .compare_exchange_strong(from, to, std::memory_order_relaxed);
}

bool register_own(ptrdiff_t offset) {
  const int error = rseq_call(offset, kOriginalLength, 0);
  // EBUSY: a signal handler has registered the area meanwhile.
  if (error == 0 || error == EBUSY) return true;
  // Other code has registered an area for this thread (EINVAL, EPERM), or the kernel refuses all registrations. Another attempt would fail,
  // too.
  change_cpu_id(offset, kRseqNeverRegistered, kRseqRefused);
  return false;
}

// Linux 6.19 to 7.0.13 on arm64 does not abort a section whose thread was preempted and resumed on the same CPU.
bool aborts_are_broken() {
#if defined(__aarch64__)
  utsname name;
  if (uname(&name) != 0) return true;
  unsigned part[3] = {0, 0, 0};
  const char* p = name.release;
  for (unsigned& value : part) {
    for (; *p >= '0' && *p <= '9'; ++p) value = value * 10 + static_cast<unsigned>(*p - '0');
    if (*p != '.') break;
    ++p;
  }
  const unsigned version = part[0] << 16 | part[1] << 8 | (part[2] > 255 ? 255 : part[2]);
  return version >= (6u << 16 | 19u << 8) && version <= (7u << 16 | 13u);
#else
  return false;
#endif
}

RseqAbi no_rseq() { return {false, false, own_offset()}; }
bool kernel_is_fit() { return !aborts_are_broken() && cpu_fence_register(); }

}  // namespace

ptrdiff_t rseq_offset(bool own) { return own ? own_offset() : __rseq_offset; }

RseqAbi probe_rseq(RseqUse use) {
  if (!kBuiltForRseq || use == RseqUse::kOff) return no_rseq();
  // If glibc registers threads but not this one, the library still uses glibc's registrations.
  if (&__rseq_offset != nullptr && &__rseq_size != nullptr && __rseq_size != 0) {
    const bool usable = rseq_cpu(__rseq_offset) >= 0 && kernel_is_fit();
    return usable ? RseqAbi{true, false, __rseq_offset} : no_rseq();
  }
  // With GLIBC_TUNABLES=glibc.pthread.rseq=0, or with an older glibc. A thread has one registration, and a program that registers threads
  // itself must not find it taken.
  if (use == RseqUse::kGlibc || &rseq_register_current_thread != nullptr) return no_rseq();
  // The kernel's fence is tested first, because a registration is useless without it.
  if (is_filtered() || !kernel_is_fit()) return no_rseq();
  const ptrdiff_t offset = own_offset();
  return register_own(offset) ? RseqAbi{true, true, offset} : no_rseq();
}

bool rseq_join(ptrdiff_t offset) {
  if (rseq_cpu(offset) != kRseqNeverRegistered) return rseq_cpu(offset) >= 0;
  // A filter may end the process for the call. The child of a vfork, and a thread made by a bare clone, see another thread's area. An area
  // that they registered would look registered to its owner after they have gone.
  return !is_filtered() && is_in_memory_of_its_own() && register_own(offset);
}

// The kernel requires the length of the registration. glibc's length was 32 bytes at first. It is now the length that the kernel reports,
// if that is more: exact, or rounded up to the alignment.
static uint32_t end_registration(ptrdiff_t offset) {
  const auto features = static_cast<uint32_t>(getauxval(kAuxFeatureSize));
  const auto alignment = static_cast<uint32_t>(getauxval(kAuxAlignment));
  const uint32_t rounded = is_power_of_two(alignment)
                               ? static_cast<uint32_t>(round_up(features, alignment))
                               : kOriginalLength;
  const uint32_t candidates[] = {kOriginalLength, features, rounded};
  for (const uint32_t length : candidates) {
    if (length >= kOriginalLength && rseq_call(offset, length, kUnregister) == 0) return length;
  }
  return 0;
}

uint32_t rseq_suspend(const RseqAbi& abi) {
  for (;;) {
    const uint32_t length = end_registration(abi.offset);
    // The kernel has stored that the thread was never registered. A signal handler may have registered it again by now.
    if (length == 0 || !abi.own || change_cpu_id(abi.offset, kRseqNeverRegistered, kRseqRefused))
      return length;
  }
}

bool rseq_resume(ptrdiff_t offset, uint32_t length) {
  // Kernels differ in their treatment of a field that still points to a descriptor.
  *reinterpret_cast<volatile uint64_t*>(area_at(offset) + kRseqCs) = 0;
  return rseq_call(offset, length, 0) == 0;
}

}  // namespace tenure
