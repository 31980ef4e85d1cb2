#include "rules/descriptors.h"

namespace tenure::rules {

constinit os::GrowingRange descriptor_memory;

namespace {

// A number above all descriptors that ever had a tenant. Rises only. Relaxed: read in a fork child, which has one thread.
constinit std::atomic<int> above_all{0};

}  // namespace

bool reserve_descriptors() {
  constexpr size_t kBytes = kMostDescriptors * sizeof(uint64_t);
  void* const base = os::reserve(kBytes, 4096);
  if (base == nullptr) return false;
  descriptor_memory.adopt(base, kBytes, 64 * 1024);
  return true;
}

void set_descriptor(int fd, Membership membership) {
  if (fd < 0) return;
  if (membership == Membership::kNone) return leave(take_descriptor(fd));
  if (fd >= kMostDescriptors || descriptor_memory.base() == nullptr ||
      !descriptor_memory.ensure((static_cast<size_t>(fd) + 1) * sizeof(uint64_t)))
    return leave(membership);
  int seen = above_all.load(std::memory_order_relaxed);
  while (seen <= fd && !above_all.compare_exchange_weak(seen, fd + 1, std::memory_order_relaxed)) {
  }
  // Acquire and release: the membership changes hands.
  const uint64_t before =
      descriptor_entry(fd)->exchange(static_cast<uint64_t>(membership), std::memory_order_acq_rel);
  leave(static_cast<Membership>(before));
}

Membership take_descriptor(int fd) {
  std::atomic<uint64_t>* const entry = fd < 0 ? nullptr : descriptor_entry(fd);
  if (entry == nullptr || entry->load(std::memory_order_relaxed) == 0) return Membership::kNone;
  return static_cast<Membership>(entry->exchange(0, std::memory_order_acq_rel));
}

void copy_descriptor(int from, int to) {
  if (from == to || from < 0) return;
  const Reference tenant = descriptor_tenant(from);
  set_descriptor(to, tenant == Reference::kNobody ? Membership::kNobody : join(tenant));
}

int descriptors_in_use() { return above_all.load(std::memory_order_relaxed); }

}  // namespace tenure::rules
