// A program that registers its threads for restartable sequences itself, as librseq does. Where glibc leaves the registration to programs,
// the library must not take it first.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>

#include "tenure/tenure.h"
#include "tests/blackbox/support/check.h"

#ifndef SYS_rseq
#define SYS_rseq 334
#endif

extern "C" __attribute__((weak)) const unsigned int __rseq_size;

namespace {

struct alignas(32) Area {
  unsigned cpu_id_start, cpu_id;
  unsigned rest[6];
};
thread_local Area area;

#if defined(__x86_64__)
constexpr unsigned kSignature = 0x53053053;
#else
constexpr unsigned kSignature = 0xd428bc00;
#endif

bool glibc_registers() { return &__rseq_size != nullptr && __rseq_size != 0; }

}  // namespace

// librseq's name, by which the library knows such a program.
extern "C" int rseq_register_current_thread() {
  if (glibc_registers()) return 0;
  return static_cast<int>(syscall(SYS_rseq, &area, sizeof area, 0, kSignature));
}

namespace {

void use() {
  free(malloc(100));
  REQUIRE(rseq_register_current_thread() == 0, "register: %s", strerror(errno));
  for (int i = 0; i < 1000; ++i) free(malloc(static_cast<size_t>(i)));
  REQUIRE(glibc_registers() || area.cpu_id < 1 << 16, "cpu %u", area.cpu_id);
}

}  // namespace

int main() {
  constexpr int kSkipped = 77;
  if (syscall(SYS_rseq, nullptr, 1, 0, 0) != 0 && errno == ENOSYS) return kSkipped;
  use();
  std::thread(use).join();
  if (!glibc_registers()) REQUIRE(strcmp(tenure_mode(), "fallback") == 0, "mode %s", tenure_mode());
}
