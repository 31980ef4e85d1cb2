// Metadata for tests of the structures that live in it.
#pragma once

#include "base/memory/meta_arena.h"
#include "base/memory/os_memory.h"
#include "base/words/bits.h"

namespace tenure {

// Reserves the arena once for the whole test program.
inline void have_metadata() {
  static const bool adopted = [] {
    void* range = os::reserve(4 * kGiB, kPageSize);
    if (range == nullptr) __builtin_trap();
    meta_arena.adopt(range, 4 * kGiB);
    return true;
  }();
  static_cast<void>(adopted);
}

}  // namespace tenure
