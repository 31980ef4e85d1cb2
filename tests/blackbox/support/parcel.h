#pragma once

#include <atomic>
#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>

#include "tests/blackbox/support/check.h"
#include "tests/blackbox/support/pattern.h"
#include "tests/blackbox/support/random.h"

namespace blackbox {

// An object that knows what it must contain, so that whoever frees it, in whichever thread, handler or
// process, can check it first. The rest of the object carries the pattern of `seed`.
struct Parcel {
  uint64_t size;
  uint64_t seed;
};

inline Parcel* seal_parcel(void* memory, size_t size, uint64_t seed) {
  auto* parcel = static_cast<Parcel*>(memory);
  parcel->size = size;
  parcel->seed = seed ^ uintptr_t(memory);
  fill_pattern(parcel + 1, size - sizeof(Parcel), parcel->seed);
  return parcel;
}

// By one of the entry points at random. nullptr only where memory is exhausted, with errno ENOMEM.
inline Parcel* make_parcel(Random& random, size_t limit) {
  size_t size = sizeof(Parcel) + random.size(limit - sizeof(Parcel));
  void* memory = nullptr;
  errno = 0;
  switch (random.below(8)) {
  case 0:
    memory = calloc(1, size);
    REQUIRE(memory == nullptr || is_zero(memory, size < 8192 ? size : 8192), "calloc of %zu", size);
    break;
  case 1: {
    size_t alignment = size_t(16) << random.below(9);
    memory = aligned_alloc(alignment, size);
    REQUIRE(uintptr_t(memory) % alignment == 0, "%p for alignment %zu", memory, alignment);
    break;
  }
  case 2: {
    void* smaller = malloc(size / 2 + 1);
    memory = smaller == nullptr ? nullptr : realloc(smaller, size);
    if (memory == nullptr) free(smaller);
    break;
  }
  default:
    memory = malloc(size);
  }
  if (memory == nullptr) {
    REQUIRE(errno == ENOMEM, "no memory for %zu bytes, errno %d", size, errno);
    return nullptr;
  }
  REQUIRE(uintptr_t(memory) % 16 == 0, "%p for %zu bytes", memory, size);
  return seal_parcel(memory, size, random.next());
}

inline void check_parcel(const Parcel* parcel) {
  size_t usable = malloc_usable_size(const_cast<Parcel*>(parcel));
  REQUIRE(parcel->size >= sizeof(Parcel) && parcel->size <= usable,
          "parcel %p of %zu bytes, usable %zu", static_cast<const void*>(parcel),
          size_t(parcel->size), usable);
  size_t wrong = find_mismatch(parcel + 1, parcel->size - sizeof(Parcel), parcel->seed);
  REQUIRE(wrong == kNoMismatch, "parcel %p of %zu bytes changed at offset %zu",
          static_cast<const void*>(parcel), size_t(parcel->size), wrong + sizeof(Parcel));
}

inline void free_parcel(Parcel* parcel) {
  if (parcel == nullptr) return;
  check_parcel(parcel);
  parcel->seed = ~parcel->seed;  // a second owner of this parcel would now see it broken
  free(parcel);
}

// A table that threads, handlers and forked children exchange parcels through.
template <size_t kSlots>
class ParcelTable {
public:
  // Puts a parcel (or nothing) in a random slot and frees what was there.
  void replace(Random& random, Parcel* parcel) {
    free_parcel(slots_[random.below(kSlots)].exchange(parcel, std::memory_order_acq_rel));
  }
  void clear() {
    for (auto& slot : slots_) free_parcel(slot.exchange(nullptr, std::memory_order_acq_rel));
  }

private:
  std::atomic<Parcel*> slots_[kSlots] = {};
};

}  // namespace blackbox
