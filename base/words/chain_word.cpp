#include "base/words/chain_word.h"

#include <bit>

namespace tenure {

constinit uint64_t chain_key = 0;
// Zeros: a room that never precedes the room of a word that points to the sentinel.
alignas(16) constinit const uint64_t list_sentinel[2] = {0, 0};

namespace {

// Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012.
struct SipState {
  uint64_t v0, v1, v2, v3;

  explicit SipState(uint64_t key)
      : v0(key ^ 0x736f6d6570736575), v1(~key ^ 0x646f72616e646f6d), v2(key ^ 0x6c7967656e657261),
        v3(~key ^ 0x7465646279746573) {}
  void round() {
    v0 += v1;
    v2 += v3;
    v1 = std::rotl(v1, 13) ^ v0;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 = std::rotl(v0, 32);
    v2 += v1;
    v0 += v3;
    v1 = std::rotl(v1, 17) ^ v2;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 = std::rotl(v2, 32);
  }
  void add(uint64_t word) {
    v3 ^= word;
    round();
    v0 ^= word;
  }
};

}  // namespace

uint64_t keyed_mask(const void* object) {
  // The key's second half is its complement: 64 secret bits suffice to protect words of 64 bits.
  SipState state(chain_key);
  state.add(reinterpret_cast<uint64_t>(object));
  state.add(uint64_t{sizeof object} << 56);
  state.v2 ^= 0xff;
  for (int i = 0; i < 3; ++i) state.round();
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

}  // namespace tenure
