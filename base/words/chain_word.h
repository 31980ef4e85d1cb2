// The chain word: one 64-bit value for a list of free objects of one slab class, `pointer << 16 | room`.
//
// The first 8 bytes of a free object hold the word of the rest of its chain, so one word moves any number of objects. `room` is the number
// of objects that a CPU front would still take: limit - count, as a signed 16-bit number. Counting room instead of objects makes the
// all-zero word a closed list, which is empty for pop and full for push, so untouched memory needs no initialisation and no test on the
// fast path.
//
//   closed    0              never opened, or closed for good; pop: empty, push: full
//   empty     limit          pointer 0, room for `limit` objects
//   held      0x8000..ffff   pointer 0, room negative: a drainer's, or closed for good (below); pop: empty, push: full
//   chain     p<<16 | room   the word in *p has room + 1
//   sentinel  s<<16 | limit  as empty, but pop_pair does not swap (below)
//
// The rooms of neighbours differ by exactly one, and every pop checks that. An overwritten free object, or an object that is in the chain
// twice, breaks the sequence before it is handed out a second time.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/words/attributes.h"

namespace tenure {

using ChainWord = uint64_t;

constexpr unsigned kRoomBits = 16;
constexpr ChainWord kClosedWord = 0;
// Held words. Only their holder changes them (allocator/fronts/drain.h).
constexpr ChainWord kStoppedWord = 0x8000;            // By a drainer, until its fence.
constexpr ChainWord kSealedWord = 0xc000;             // For good: the tenant is gone.
constexpr ChainWord kSealedOverStoppedWord = 0xa000;  // For good, while a drainer was at it.

constexpr ChainWord chain_word(uint64_t pointer, uint16_t room) {
  return pointer << kRoomBits | room;
}
constexpr ChainWord empty_word(uint16_t limit) { return limit; }
constexpr uint64_t pointer_bits(ChainWord word) { return word >> kRoomBits; }
constexpr uint16_t room_bits(ChainWord word) { return static_cast<uint16_t>(word); }

// The sentinel ends a list that malloc must leave by the slow path, whatever the other list of the class holds. With a list that ends in
// the open word (pointer 0), malloc's section swaps the two lists of a class unseen. The section never pops the sentinel, because the word
// in it has the wrong room, and never swaps, because there is a pointer. Pushes work as usual, and the room counts as in any open list, so
// that the length of such a list follows from its first word. Sampling uses such lists (allocator/fronts/sampler.h).
alignas(16) extern const uint64_t list_sentinel[2];
inline ChainWord sentinel_word(uint16_t limit) {
  return chain_word(reinterpret_cast<uint64_t>(list_sentinel), limit);
}
inline bool is_sentinel(ChainWord word) {
  return pointer_bits(word) == reinterpret_cast<uint64_t>(list_sentinel);
}

inline bool has_objects(ChainWord word) { return pointer_bits(word) != 0 && !is_sentinel(word); }
constexpr bool accepts_push(ChainWord word) { return static_cast<int16_t>(room_bits(word)) > 0; }
constexpr bool is_held(ChainWord word) { return word >= kStoppedWord && word <= 0xffff; }
// Length of a chain whose class has this limit. Chains may be longer than the limit (room wraps below 0), up to 65535.
constexpr uint16_t chain_length(ChainWord word, uint16_t limit) {
  return static_cast<uint16_t>(limit - room_bits(word));
}

inline void* first_object(ChainWord word) { return reinterpret_cast<void*>(pointer_bits(word)); }

// 0, or at the hardened level the secret that encodes words inside free objects. Written once at bootstrap. The rseq fast path is used only
// if the key is 0.
extern constinit uint64_t chain_key;

// The mask of the word in an object: SipHash-1-3 of the object's address under the key. An attacker who reads the words of some objects,
// and knows their meaning, knows the masks of those objects. Neither the key nor the mask of any other object follows from them, as it
// would from an exclusive-or of key and address. A copied or forged word decodes to nonsense in all its bits, including the room, which
// every pop checks.
TENURE_NOINLINE uint64_t keyed_mask(const void* object);
inline uint64_t chain_mask(const void* object) { return chain_key == 0 ? 0 : keyed_mask(object); }

// Word of the rest behind a free object. Relaxed: the reader got the object through an acquire, or checks by a compare-and-swap that the
// word was current.
inline ChainWord load_link(const void* object) {
  return static_cast<const std::atomic<uint64_t>*>(object)->load(std::memory_order_relaxed) ^
         chain_mask(object);
}
inline void store_link(void* object, ChainWord rest) {
  static_cast<std::atomic<uint64_t>*>(object)->store(rest ^ chain_mask(object),
                                                     std::memory_order_relaxed);
}

// Puts `object` before `rest`.
inline ChainWord chain_push(void* object, ChainWord rest) {
  store_link(object, rest);
  return chain_word(reinterpret_cast<uint64_t>(object), static_cast<uint16_t>(room_bits(rest) - 1));
}

// Whether `rest` can be the rest behind the first object of `word`.
constexpr bool follows(ChainWord rest, ChainWord word) {
  return room_bits(rest) == static_cast<uint16_t>(room_bits(word) + 1);
}

}  // namespace tenure
