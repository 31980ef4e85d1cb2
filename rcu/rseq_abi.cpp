#include "rcu/rseq_abi.h"

#include <errno.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/attributes.h"
#include "base/bits.h"
#include "rcu/cpu_fence.h"

// Weak: absent before glibc 2.35.
extern "C" {
extern const ptrdiff_t __rseq_offset TENURE_WEAK;
extern const unsigned int __rseq_size TENURE_WEAK;
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

bool rseq_call(ptrdiff_t offset, uint32_t length, int flags) {
  char* const area = static_cast<char*>(__builtin_thread_pointer()) + offset;
  const int saved = errno;
  const bool done = syscall(kRseqCall, area, length, flags, kSignature) == 0;
  errno = saved;
  return done;
}

// Stands in for the area where glibc has none: reads as "not registered".
struct UnregisteredArea {
  uint32_t cpu_id_start = 0;
  int32_t cpu_id = -1;
  uint64_t rseq_cs = 0;
};
thread_local constinit UnregisteredArea unregistered_area;

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

}  // namespace

RseqAbi probe_rseq() {
  if (&__rseq_offset == nullptr) {
    const char* thread = static_cast<const char*>(__builtin_thread_pointer());
    return {false, reinterpret_cast<const char*>(&unregistered_area) - thread};
  }
  const ptrdiff_t offset = __rseq_offset;
  // With GLIBC_TUNABLES=glibc.pthread.rseq=0, or where the kernel refused, the id is negative and so every fast
  // path goes its slow way by itself.
  const bool usable = kBuiltForRseq && &__rseq_size != nullptr && __rseq_size != 0 &&
                      rseq_cpu(offset) >= 0 && !aborts_are_broken() && cpu_fence_register();
  return {usable, offset};
}

// The kernel wants the length of the registration. glibc's was 32 bytes at first, and is now what
// the kernel says it uses, if that is more: as it is, or rounded up to the alignment.
uint32_t rseq_unregister(ptrdiff_t offset) {
  const auto features = static_cast<uint32_t>(getauxval(kAuxFeatureSize));
  const auto alignment = static_cast<uint32_t>(getauxval(kAuxAlignment));
  const uint32_t rounded = is_power_of_two(alignment)
                               ? static_cast<uint32_t>(round_up(features, alignment))
                               : kOriginalLength;
  const uint32_t candidates[] = {kOriginalLength, features, rounded};
  for (const uint32_t length : candidates) {
    if (length >= kOriginalLength && rseq_call(offset, length, kUnregister)) return length;
  }
  return 0;
}

bool rseq_register(ptrdiff_t offset, uint32_t length) {
  // Kernels differ in what they make of a field that still points to a descriptor.
  char* const area = static_cast<char*>(__builtin_thread_pointer()) + offset;
  *reinterpret_cast<volatile uint64_t*>(area + kRseqCs) = 0;
  return rseq_call(offset, length, 0);
}

}  // namespace tenure
