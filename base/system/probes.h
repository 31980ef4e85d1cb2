// Probe points in the library (USDT): listeners such as bpftrace, perf, gdb and OpenTelemetry's eBPF profiler attach to them by name.
//
// A probe point is an instruction that does nothing, and a note in the file (section .note.stapsdt, in SystemTap's format, version 3) that
// says where the instruction is, where its arguments are, and where its semaphore is. The semaphore counts the listeners of this process: the kernel or the
// debugger raises it. A probe's arguments are made only where somebody listens; else a probe costs one load on a slow path.
//
// The arguments lie in the registers of a call's first arguments, because some listeners read these without a look at the note.
// docs/profiling.md has the list.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/words/attributes.h"

namespace tenure::probes {

extern "C" {
// Hidden; written by the kernel and by debuggers only.
extern volatile uint16_t tenure_probe_otel_alloc, tenure_probe_otel_free;
extern volatile uint16_t tenure_probe_sample, tenure_probe_limit, tenure_probe_reclaim,
    tenure_probe_offline;
}

constexpr size_t kLongestPath = 160;  // Of a tenant, with the end; longer ones are cut.

inline bool listens(const volatile uint16_t& semaphore) { return TENURE_UNLIKELY(semaphore != 0); }

// otel_memory:alloc(object, size, weighted bytes) of a sampled object, and otel_memory:free(object) at its end.
void fire_otel_alloc(const void* object, uint64_t size, uint64_t weighted);
void fire_otel_free(const void* object);
// tenure:sample(object, size, weighted bytes, tenant's id, tenant's path)
void fire_sample(const void* object, uint64_t size, uint64_t weighted, uint64_t tenant,
                 const char* path);
// tenure:limit(tenant's id, path, bytes refused, times shrinkers were asked)
void fire_limit(uint64_t tenant, const char* path, uint64_t bytes, uint64_t shrinks);
// tenure:reclaim(tenant's id, path, stage: 0 caches, 1 departed tenants, 2 shrinkers, bytes wanted, bytes freed)
void fire_reclaim(uint64_t tenant, const char* path, uint64_t stage, uint64_t wanted,
                  uint64_t freed);
// tenure:offline(tenant's id, path, bytes charged)
void fire_offline(uint64_t tenant, const char* path, uint64_t bytes);

}  // namespace tenure::probes
