// The pages of a slab that were returned to the system while other objects of the slab live, and the objects that are holes by that: all
// that overlap such a page. Pure functions; holes.cpp and slab_state.h have the protocol.
//
// A page returns only if every object that overlaps it is free. So an object that straddles two pages keeps both resident while it lives,
// and is a hole as soon as one of them has returned. Bytes behind the last object belong to nobody, and stay.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "allocator/pages/config.h"
#include "base/words/bits.h"

namespace tenure {

// Bit: a page of the slab.
using PageBits = uint64_t;
constexpr uint32_t kMostSlabPages = 64;
// More objects have slabs of 16-byte objects that were made larger by an option. Bounds what a collector has on its stack.
constexpr uint32_t kMostCollected = 2 * kKiB;

// The pages that object `index` overlaps.
constexpr PageBits pages_of_object(size_t size, uint32_t index) {
  const size_t first = index * size / kPageSize, last = ((index + 1) * size - 1) / kPageSize;
  return low_mask(static_cast<uint32_t>(last - first + 1)) << first;
}

// Calls f(index) for the objects below `carved` that overlap one of the pages, in descending order.
template <typename F>
constexpr void for_each_object_on(PageBits pages, size_t size, uint32_t carved, F f) {
  if (pages == 0) return;
  const auto first = static_cast<uint32_t>(std::countr_zero(pages) * kPageSize / size);
  const size_t end = (kMostSlabPages - std::countl_zero(pages)) * kPageSize;
  const auto last = static_cast<uint32_t>((end - 1) / size);
  for (uint32_t i = last < carved ? last + 1 : carved; i-- > first;) {
    if (pages_of_object(size, i) & pages) f(i);
  }
}

// How many objects are holes where `purged` pages have returned.
constexpr uint32_t count_holes(PageBits purged, size_t size, uint32_t carved) {
  uint32_t holes = 0;
  for_each_object_on(purged, size, carved, [&holes](uint32_t) { ++holes; });
  return holes;
}

// The pages with objects that are all carved and free: is_free(index). Others may be carving what follows.
template <typename F>
constexpr PageBits pages_without_live(size_t size, uint32_t carved, uint32_t capacity, F is_free) {
  const size_t end = carved * size;
  const size_t count = carved == capacity ? divide_up(end, kPageSize) : end / kPageSize;
  PageBits pages = low_mask(static_cast<uint32_t>(count));
  for (uint32_t i = 0; i < carved; ++i) {
    if (!is_free(i)) pages &= ~pages_of_object(size, i);
  }
  return pages;
}

// The pages to be used again next: from the first that has returned, about `bytes` of them and at least one object's.
constexpr PageBits pages_to_fill(PageBits purged, size_t size, size_t bytes) {
  const auto first = static_cast<uint32_t>(std::countr_zero(purged));
  const size_t object = first * kPageSize / size;
  const size_t least = divide_up((object + 1) * size, kPageSize) - first;
  const size_t wanted = divide_up(bytes, kPageSize);
  const size_t pages = wanted > least ? wanted : least;
  const PageBits upto = first + pages >= kMostSlabPages
                            ? ~PageBits{0}
                            : low_mask(static_cast<uint32_t>(first + pages));
  return purged & upto;
}

}  // namespace tenure
