#include "base/system/probes.h"

namespace tenure::probes {

extern "C" {
#define TENURE_SEMAPHORE(name) \
  __attribute__((section(".probes"), visibility("hidden"), used)) volatile uint16_t name = 0
TENURE_SEMAPHORE(tenure_probe_otel_alloc);
TENURE_SEMAPHORE(tenure_probe_otel_free);
TENURE_SEMAPHORE(tenure_probe_sample);
TENURE_SEMAPHORE(tenure_probe_limit);
TENURE_SEMAPHORE(tenure_probe_reclaim);
TENURE_SEMAPHORE(tenure_probe_offline);
#undef TENURE_SEMAPHORE
}

namespace {

// By this section listeners see how far a prelinked file was moved.
asm(".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n"
    ".weak _.stapsdt.base\n"
    ".hidden _.stapsdt.base\n"
    "_.stapsdt.base: .space 1\n"
    ".size _.stapsdt.base, 1\n"
    ".popsection\n");

uint64_t as_word(const void* pointer) { return reinterpret_cast<uint64_t>(pointer); }
uint64_t as_word(uint64_t value) { return value; }

#if defined(__x86_64__)
#define TENURE_ARGUMENT_0 "rdi"
#define TENURE_ARGUMENT_1 "rsi"
#define TENURE_ARGUMENT_2 "rdx"
#define TENURE_ARGUMENT_3 "rcx"
#define TENURE_ARGUMENT_4 "r8"
#else
#define TENURE_ARGUMENT_0 "x0"
#define TENURE_ARGUMENT_1 "x1"
#define TENURE_ARGUMENT_2 "x2"
#define TENURE_ARGUMENT_3 "x3"
#define TENURE_ARGUMENT_4 "x4"
#endif

#define TENURE_IN_ARGUMENT(n, value) \
  register uint64_t argument_##n asm(TENURE_ARGUMENT_##n) = as_word(value)

// The instruction and its note: header, owner, three addresses, provider, name, "size@place" of each argument.
#define TENURE_PROBE(provider, name, semaphore, places, ...)        \
  asm volatile("990: nop\n"                                         \
               ".pushsection .note.stapsdt,\"\",\"note\"\n"         \
               ".balign 4\n"                                        \
               ".4byte 992f-991f, 994f-993f, 3\n"                   \
               "991: .asciz \"stapsdt\"\n"                          \
               "992: .balign 4\n"                                   \
               "993: .8byte 990b, _.stapsdt.base, " #semaphore "\n" \
               ".asciz \"" provider "\"\n"                          \
               ".asciz \"" name "\"\n"                              \
               ".asciz \"" places "\"\n"                            \
               "994: .balign 4\n"                                   \
               ".popsection"                                        \
               :                                                    \
               : __VA_ARGS__)

}  // namespace

TENURE_SLOW void fire_otel_alloc(const void* object, uint64_t size, uint64_t weighted) {
  TENURE_IN_ARGUMENT(0, object);
  TENURE_IN_ARGUMENT(1, size);
  TENURE_IN_ARGUMENT(2, weighted);
  TENURE_PROBE("otel_memory", "alloc", tenure_probe_otel_alloc, "8@%0 8@%1 8@%2", "r"(argument_0),
               "r"(argument_1), "r"(argument_2));
}

TENURE_SLOW void fire_otel_free(const void* object) {
  TENURE_IN_ARGUMENT(0, object);
  TENURE_PROBE("otel_memory", "free", tenure_probe_otel_free, "8@%0", "r"(argument_0));
}

TENURE_SLOW void fire_sample(const void* object, uint64_t size, uint64_t weighted, uint64_t tenant,
                             const char* path) {
  TENURE_IN_ARGUMENT(0, object);
  TENURE_IN_ARGUMENT(1, size);
  TENURE_IN_ARGUMENT(2, weighted);
  TENURE_IN_ARGUMENT(3, tenant);
  TENURE_IN_ARGUMENT(4, path);
  TENURE_PROBE("tenure", "sample", tenure_probe_sample, "8@%0 8@%1 8@%2 8@%3 8@%4", "r"(argument_0),
               "r"(argument_1), "r"(argument_2), "r"(argument_3), "r"(argument_4));
}

TENURE_SLOW void fire_limit(uint64_t tenant, const char* path, uint64_t bytes, uint64_t shrinks) {
  TENURE_IN_ARGUMENT(0, tenant);
  TENURE_IN_ARGUMENT(1, path);
  TENURE_IN_ARGUMENT(2, bytes);
  TENURE_IN_ARGUMENT(3, shrinks);
  TENURE_PROBE("tenure", "limit", tenure_probe_limit, "8@%0 8@%1 8@%2 8@%3", "r"(argument_0),
               "r"(argument_1), "r"(argument_2), "r"(argument_3));
}

TENURE_SLOW void fire_reclaim(uint64_t tenant, const char* path, uint64_t stage, uint64_t wanted,
                              uint64_t freed) {
  TENURE_IN_ARGUMENT(0, tenant);
  TENURE_IN_ARGUMENT(1, path);
  TENURE_IN_ARGUMENT(2, stage);
  TENURE_IN_ARGUMENT(3, wanted);
  TENURE_IN_ARGUMENT(4, freed);
  TENURE_PROBE("tenure", "reclaim", tenure_probe_reclaim, "8@%0 8@%1 8@%2 8@%3 8@%4",
               "r"(argument_0), "r"(argument_1), "r"(argument_2), "r"(argument_3), "r"(argument_4));
}

TENURE_SLOW void fire_offline(uint64_t tenant, const char* path, uint64_t bytes) {
  TENURE_IN_ARGUMENT(0, tenant);
  TENURE_IN_ARGUMENT(1, path);
  TENURE_IN_ARGUMENT(2, bytes);
  TENURE_PROBE("tenure", "offline", tenure_probe_offline, "8@%0 8@%1 8@%2", "r"(argument_0),
               "r"(argument_1), "r"(argument_2));
}

}  // namespace tenure::probes
