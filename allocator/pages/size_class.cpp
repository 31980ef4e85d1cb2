#include "allocator/pages/size_class.h"
#include "rcu/rseq_ops.h"

namespace tenure {
namespace {

constexpr bool classes_are_sound() {
  for (uint32_t i = 0; i < kClassCount; ++i) {
    const size_t size = class_size(i);
    if (size % kMinAlignment != 0) return false;
    if (i > 0 && size <= class_size(i - 1)) return false;
    if (index_of(class_of(size)) != i) return false;
    if (i > 0 && index_of(class_of(class_size(i - 1) + 1)) != i) return false;
    // Waste bound: the worst request of a class fills at least 4/5 of it (beyond the linear ones).
    if (i >= kLinearClasses && class_size(i - 1) * 5 < size * 4) return false;
    if (slab_granules(size, 1) > kLargestSlabGranules) return false;
  }
  return class_size(kClassCount - 1) == kLargestSmall;
}
constexpr bool multiples_have_aligned_classes() {
  for (size_t alignment = kMinAlignment; alignment <= kLargestSmall; alignment *= 2) {
    for (size_t size = alignment; size <= kLargestSmall; size += alignment) {
      if (class_size(class_of(size)) % alignment != 0) return false;
    }
  }
  return true;
}
static_assert(multiples_have_aligned_classes());
static_assert(classes_are_sound());
static_assert(kFrontSize <= kRootFrontOffset &&
              kRootFrontOffset + 2 * kFrontSize <= kPoolFrontOffset);
static_assert(is_power_of_two(kSlotSize));

}  // namespace

}  // namespace tenure
