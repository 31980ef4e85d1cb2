// The state of a mapped page in the process's account: two bits, 32 pages to a word, and the pure transitions on words.
//
//                 mmap, private anonymous, writable
//   kForeign  ------------------------------------------->  kWritable
//      |  ^                                                   ^  |  ^
//      |  | munmap, mmap of anything else      mprotect with  |  |  | mprotect with PROT_WRITE
//      v  |                                      PROT_WRITE   |  v  | mprotect without
//   kReserved  <-----------------------------------------------  kKept
//                 not resident, or discarded by MADV_DONTNEED
//
// A page is charged in the states kWritable and kKept.
#pragma once

#include <bit>
#include <cstdint>

namespace tenure {

enum class PageState : uint8_t {
  kForeign = 0,   // Unknown to the account: not mapped, of a file, shared, or mapped by other code.
  kReserved = 1,  // Private anonymous, takes no memory: not writable, or mapped with MAP_NORESERVE.
  kKept = 2,      // Charged: not writable any more, but resident.
  kWritable = 3,  // Charged.
};

// A word of 32 pages. `mask` has both bits of each page that an operation concerns.
namespace page_word {

constexpr unsigned kPages = 32;
constexpr uint64_t kLow = 0x5555555555555555;
constexpr uint64_t kHigh = kLow << 1;

constexpr uint64_t all(PageState state) { return kLow * static_cast<uint64_t>(state); }
// The mask of pages [first, first + count) of the word; count > 0.
constexpr uint64_t mask(unsigned first, unsigned count) {
  return ~uint64_t{0} >> (64 - 2 * count) << (2 * first);
}
constexpr PageState state(uint64_t word, unsigned page) {
  return static_cast<PageState>(word >> (2 * page) & 3);
}
// The pages in that state, as the low bit of each.
constexpr uint64_t in(PageState state, uint64_t word, uint64_t mask) {
  const uint64_t differs = word ^ all(state);
  return ~(differs | differs >> 1) & kLow & mask;
}

constexpr unsigned charged(uint64_t word, uint64_t mask) {
  return static_cast<unsigned>(std::popcount(word & kHigh & mask));
}
constexpr uint64_t set(uint64_t word, uint64_t mask, PageState state) {
  return (word & ~mask) | (all(state) & mask);
}
// All pages that the account knows become writable.
constexpr uint64_t made_writable(uint64_t word, uint64_t mask) {
  return word | ((word | word >> 1) & kLow & mask) * 3;
}
constexpr uint64_t write_protected(uint64_t word, uint64_t mask) {
  return word & ~in(PageState::kWritable, word, mask);
}
// Kept pages become reserved. Writable pages stay charged, because the program may write to them again at once.
constexpr uint64_t discarded(uint64_t word, uint64_t mask) {
  return word ^ in(PageState::kKept, word, mask) * 3;
}

}  // namespace page_word
}  // namespace tenure
