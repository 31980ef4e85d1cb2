// The tenants of descriptors: a table indexed by the descriptor's number.
//
// An entry is a Reference whose membership the table owns: kNone (no connection, or one that no rule concerns), kNobody (a connection that
// no rule matches: a read from it ends the work for another connection), or a tenant. All functions are lock-free and async-signal-safe,
// except reserve and set, which may request memory from the system.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/memory/os_memory.h"
#include "rules/tenants.h"

namespace tenure::rules {

constexpr int kMostDescriptors = 1 << 20;

extern os::GrowingRange descriptor_memory;

// False if the system refuses.
bool reserve_descriptors();

inline std::atomic<uint64_t>* descriptor_entry(int fd) {
  const auto end = (static_cast<size_t>(static_cast<unsigned>(fd)) + 1) * sizeof(uint64_t);
  if (end > descriptor_memory.committed()) return nullptr;
  return reinterpret_cast<std::atomic<uint64_t>*>(descriptor_memory.base()) + fd;
}

inline Reference descriptor_tenant(int fd) {
  const std::atomic<uint64_t>* const entry = descriptor_entry(fd);
  // Relaxed: a thread that reads from a connection of another thread has synchronized with that thread. join() checks the reference.
  return entry ? static_cast<Reference>(entry->load(std::memory_order_relaxed)) : Reference::kNone;
}

// Takes the membership over, and leaves the previous one.
void set_descriptor(int fd, Membership membership);
// Takes the membership out of the table and gives it to the caller.
Membership take_descriptor(int fd);
// Gives the new descriptor the tenant of the old one.
void copy_descriptor(int from, int to);

int descriptors_in_use();  // No entry at or above it is set.
template <typename Visit>
void for_each_descriptor(Visit visit) {
  for (int fd = 0; fd < descriptors_in_use(); ++fd) {
    if (const Reference tenant = descriptor_tenant(fd); tenant != Reference::kNone) visit(tenant);
  }
}

}  // namespace tenure::rules
