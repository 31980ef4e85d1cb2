#include "tests/blackbox/shadow/shadow_heap.h"

#include <algorithm>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

#include "tests/blackbox/support/check.h"
#include "tests/blackbox/support/pattern.h"

namespace blackbox {

namespace {

void check_object(uintptr_t address, const ShadowHeap::Object& object) {
  void* memory = reinterpret_cast<void*>(address);
  REQUIRE(malloc_usable_size(memory) == object.usable, "%p: usable size was %zu, is %zu", memory,
          object.usable, malloc_usable_size(memory));
  size_t wrong = find_mismatch(memory, object.usable, object.seed);
  REQUIRE(wrong == kNoMismatch, "%p of %zu bytes changed at offset %zu", memory, object.size,
          wrong);
}

}  // namespace

ShadowHeap::Objects::iterator ShadowHeap::pick() {
  uintptr_t low = objects_.begin()->first;
  uintptr_t high = objects_.rbegin()->first;
  // Alternately by address (likely a large object's neighbour) and by a step from the front.
  if (random_.one_in(2)) return objects_.lower_bound(low + random_.below(high - low + 1));
  auto object = objects_.begin();
  for (uint64_t steps = random_.below(std::min<size_t>(objects_.size(), 64)); steps > 0; --steps)
    ++object;
  return object;
}

void ShadowHeap::insert(void* memory, size_t size, size_t alignment) {
  REQUIRE(memory != nullptr, "%zu bytes, errno %d", size, errno);
  auto address = uintptr_t(memory);
  REQUIRE(address % alignment == 0, "%p for alignment %zu", memory, alignment);
  Object object;
  object.size = size;
  object.usable = malloc_usable_size(memory);
  object.alignment = alignment;
  object.seed = random_.next();
  REQUIRE(object.usable >= size, "%p: %zu bytes usable of %zu", memory, object.usable, size);
  auto [here, inserted] = objects_.emplace(address, object);
  REQUIRE(inserted, "%p was handed out twice", memory);
  if (here != objects_.begin()) {
    auto before = std::prev(here);
    REQUIRE(before->first + before->second.usable <= address, "%p lies in %#lx + %zu", memory,
            before->first, before->second.usable);
  }
  if (auto after = std::next(here); after != objects_.end())
    REQUIRE(address + object.usable <= after->first, "%p + %zu reaches into %#lx", memory,
            object.usable, after->first);
  fill_pattern(memory, object.usable, object.seed);
  bytes_ += object.usable;
}

void ShadowHeap::erase(Objects::iterator object) {
  bytes_ -= object->second.usable;
  objects_.erase(object);
}

void ShadowHeap::allocate() {
  size_t size = random_.size(largest_);
  switch (random_.below(8)) {
  case 0:
  case 1: {
    size_t members = random_.below(5) + 1;
    void* memory = calloc(members, size / members);
    REQUIRE(memory == nullptr || is_zero(memory, size / members * members), "calloc of %zu", size);
    insert(memory, size / members * members, 16);
    break;
  }
  case 2: {
    size_t alignment = size_t(8) << random_.below(random_.one_in(16) ? 18 : 10);
    void* memory = nullptr;
    REQUIRE(posix_memalign(&memory, alignment, size) == 0, "%zu bytes at %zu", size, alignment);
    insert(memory, size, std::max<size_t>(alignment, 16));
    break;
  }
  case 3: {
    size_t alignment = size_t(16) << random_.below(9);
    insert(aligned_alloc(alignment, size), size, alignment);
    break;
  }
  default:
    insert(malloc(size), size, 16);
  }
}

void ShadowHeap::reallocate() {
  if (objects_.empty()) return;
  auto picked = pick();
  auto [address, object] = *picked;
  check_object(address, object);
  size_t size = random_.one_in(3) ? random_.size(largest_)
                                  : object.size / 2 + random_.below(object.size + 64);
  size = std::min(std::max<size_t>(size, 1), largest_);
  // Gone from the map first: the new place may be the old one.
  erase(picked);
  void* memory = realloc(reinterpret_cast<void*>(address), size);
  REQUIRE(memory != nullptr, "realloc from %zu to %zu, errno %d", object.size, size, errno);
  // What was requested is kept; what lay beyond, up to the usable size, need not be.
  size_t wrong = find_mismatch(memory, object.usable, object.seed, std::min(size, object.size));
  REQUIRE(wrong == kNoMismatch, "realloc from %zu to %zu lost offset %zu", object.size, size,
          wrong);
  insert(memory, size, 16);
}

void ShadowHeap::release() {
  if (objects_.empty()) return;
  auto picked = pick();
  check_object(picked->first, picked->second);
  void* memory = reinterpret_cast<void*>(picked->first);
  erase(picked);
  if (random_.one_in(16))
    REQUIRE(realloc(memory, 0) == nullptr, "realloc to nothing");
  else
    free(memory);
}

void ShadowHeap::step() {
  if (bytes_ > byte_budget_) {
    release();
    return;
  }
  switch (random_.below(16)) {
  case 0:
  case 1:
    reallocate();
    break;
  case 2:
    if (!objects_.empty()) {
      auto picked = pick();
      check_object(picked->first, picked->second);
    }
    break;
  default:
    // Drifts between growing and shrinking, so that whole slabs fill and empty.
    if (random_.below(64) < (random_.one_in(512) ? 64u : objects_.size() % 2048 < 1024 ? 40u : 24u))
      allocate();
    else
      release();
  }
}

void ShadowHeap::check_all() const {
  for (const auto& [address, object] : objects_) check_object(address, object);
}

void ShadowHeap::free_all() {
  check_all();
  while (!objects_.empty()) {
    auto first = objects_.begin();
    void* memory = reinterpret_cast<void*>(first->first);
    erase(first);
    free(memory);
  }
}

ShadowHeap::Objects ShadowHeap::take_half() {
  Objects taken;
  size_t index = 0;
  for (auto object = objects_.begin(); object != objects_.end(); ++index) {
    auto next = std::next(object);
    if (index % 2 == 0) {
      taken.insert(*object);
      erase(object);
    }
    object = next;
  }
  return taken;
}

void ShadowHeap::adopt(const Objects& objects) {
  for (const auto& [address, object] : objects) {
    check_object(address, object);
    REQUIRE(objects_.emplace(address, object).second, "%#lx is owned twice", address);
    bytes_ += object.usable;
  }
}

void require_disjoint(const std::vector<const ShadowHeap*>& heaps) {
  std::vector<std::pair<uintptr_t, uintptr_t>> ranges;
  for (const ShadowHeap* heap : heaps)
    for (const auto& [address, object] : heap->objects())
      ranges.emplace_back(address, address + object.usable);
  std::sort(ranges.begin(), ranges.end());
  for (size_t i = 1; i < ranges.size(); ++i)
    REQUIRE(ranges[i - 1].second <= ranges[i].first, "%#lx..%#lx overlaps %#lx",
            ranges[i - 1].first, ranges[i - 1].second, ranges[i].first);
}

}  // namespace blackbox
