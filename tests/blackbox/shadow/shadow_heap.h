#pragma once

#include <map>
#include <stdint.h>
#include <vector>

#include "tests/blackbox/support/random.h"

namespace blackbox {

// What the program believes about its live objects. Every operation on the heap is checked against it:
// a new object overlaps no other (over the usable size, not only the requested one), is aligned, and
// each object holds what was last written to it until it is freed.
class ShadowHeap {
public:
  struct Object {
    size_t size = 0;
    size_t usable = 0;
    size_t alignment = 16;
    uint64_t seed = 0;
  };
  using Objects = std::map<uintptr_t, Object>;

  ShadowHeap(uint64_t seed, size_t largest, size_t byte_budget)
      : random_(seed), largest_(largest), byte_budget_(byte_budget) {}

  // One random operation: malloc, calloc, an aligned form, realloc, free or a look at a live object.
  void step();
  void check_all() const;
  void free_all();

  // Hands half of the objects over, so that somebody else frees them.
  Objects take_half();
  void adopt(const Objects& objects);

  const Objects& objects() const { return objects_; }

private:
  void allocate();
  void reallocate();
  void release();
  void insert(void* memory, size_t size, size_t alignment);
  void erase(Objects::iterator object);
  Objects::iterator pick();

  Random random_;
  size_t largest_;
  size_t byte_budget_;
  size_t bytes_ = 0;
  Objects objects_;
};

// Fails the test when two objects of any of the heaps overlap.
void require_disjoint(const std::vector<const ShadowHeap*>& heaps);

}  // namespace blackbox
