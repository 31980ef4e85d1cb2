// The number of members of a tenant of the rules: threads, connections, tenants below it. It is one word with the generation, so that
// joining by a stale reference fails, and needs no lock.
//
//   63 .. 32     31 .. 0
//   generation   members
//
// A reference holds the generation, which is raised when the place is used for another tenant. Only the holder of the lock may join a
// tenant without members, as long as the tenant is online.
#pragma once

#include <cstdint>

namespace tenure::rules {

struct MemberWord {
  uint32_t members;
  uint32_t generation;

  static MemberWord from(uint64_t word) {
    return {static_cast<uint32_t>(word), static_cast<uint32_t>(word >> 32)};
  }
  uint64_t word() const { return uint64_t{generation} << 32 | members; }

  bool can_join(uint32_t expected) const {
    return generation == expected && members != 0 && members != UINT32_MAX;
  }
  MemberWord joined() const { return {members + 1, generation}; }

  // For the next tenant of the place. Generation 0 is never used: a reference is not 0.
  MemberWord ended() const { return {0, generation == UINT32_MAX ? 1 : generation + 1}; }
};

}  // namespace tenure::rules
