// The 20 replaceable forms of operator new and delete.
//
// The library does not link libstdc++: a C++ program brings it along, and these weak references find it there.
#include <stdlib.h>

#include <cstddef>
#include <new>

#include "allocator/heap.h"
#include "base/check.h"

#define TENURE_CXX_EXPORT __attribute__((visibility("default")))

namespace std {
TENURE_WEAK new_handler get_new_handler() noexcept;
__attribute__((noreturn, weak)) void __throw_bad_alloc();
}  // namespace std

// What the compiler refers to for the catch below; absent in programs without C++, where nothing is thrown.
asm(".weak __gxx_personality_v0\n.weak __cxa_begin_catch\n.weak __cxa_end_catch\n.weak "
    "_ZSt9terminatev\n");

namespace {

// A handler may throw; nothrow forms answer that with a null pointer.
bool call_handler(std::new_handler handler, bool throws) {
  if (throws) {
    handler();
    return true;
  }
  try {
    handler();
  } catch (...) {
    return false;
  }
  return true;
}

// The standard's loop: the handler makes room, throws, or is absent.
template <typename Allocate>
TENURE_SLOW void* retry_new(Allocate allocate, bool throws) {
  for (;;) {
    const std::new_handler handler = &std::get_new_handler ? std::get_new_handler() : nullptr;
    if (handler == nullptr) break;
    if (!call_handler(handler, throws)) break;
    if (void* p = allocate()) return p;
  }
  if (!throws) return nullptr;
  if (&std::__throw_bad_alloc) std::__throw_bad_alloc();
  tenure::fatal("operator new: out of memory, and no C++ runtime to throw std::bad_alloc");
}

TENURE_INLINE void* new_object(size_t size, bool throws) {
  void* const p = tenure::allocate(size);
  if (TENURE_LIKELY(p != nullptr)) return p;
  return retry_new([size] { return tenure::allocate(size); }, throws);
}

TENURE_INLINE void* new_aligned(size_t size, std::align_val_t alignment, bool throws) {
  const auto allocate = [=] {
    return tenure::allocate_aligned(size, static_cast<size_t>(alignment));
  };
  void* const p = allocate();
  if (TENURE_LIKELY(p != nullptr)) return p;
  return retry_new(allocate, throws);
}

}  // namespace

TENURE_CXX_EXPORT void* operator new(size_t size) { return new_object(size, true); }
TENURE_CXX_EXPORT void* operator new[](size_t size) { return new_object(size, true); }
TENURE_CXX_EXPORT void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return new_object(size, false);
}
TENURE_CXX_EXPORT void* operator new[](size_t size, const std::nothrow_t&) noexcept {
  return new_object(size, false);
}
TENURE_CXX_EXPORT void* operator new(size_t size, std::align_val_t a) {
  return new_aligned(size, a, true);
}
TENURE_CXX_EXPORT void* operator new[](size_t size, std::align_val_t a) {
  return new_aligned(size, a, true);
}
TENURE_CXX_EXPORT void* operator new(size_t size, std::align_val_t a,
                                     const std::nothrow_t&) noexcept {
  return new_aligned(size, a, false);
}
TENURE_CXX_EXPORT void* operator new[](size_t size, std::align_val_t a,
                                       const std::nothrow_t&) noexcept {
  return new_aligned(size, a, false);
}

TENURE_CXX_EXPORT void operator delete(void* p) noexcept { tenure::deallocate(p); }
TENURE_CXX_EXPORT void operator delete[](void* p) noexcept { tenure::deallocate(p); }
TENURE_CXX_EXPORT void operator delete(void* p, const std::nothrow_t&) noexcept {
  tenure::deallocate(p);
}
TENURE_CXX_EXPORT void operator delete[](void* p, const std::nothrow_t&) noexcept {
  tenure::deallocate(p);
}
TENURE_CXX_EXPORT void operator delete(void* p, size_t size) noexcept {
  tenure::deallocate_sized(p, size);
}
TENURE_CXX_EXPORT void operator delete[](void* p, size_t size) noexcept {
  tenure::deallocate_sized(p, size);
}
TENURE_CXX_EXPORT void operator delete(void* p, std::align_val_t) noexcept {
  tenure::deallocate(p);
}
TENURE_CXX_EXPORT void operator delete[](void* p, std::align_val_t) noexcept {
  tenure::deallocate(p);
}
TENURE_CXX_EXPORT void operator delete(void* p, std::align_val_t, const std::nothrow_t&) noexcept {
  tenure::deallocate(p);
}
TENURE_CXX_EXPORT void operator delete[](void* p, std::align_val_t,
                                         const std::nothrow_t&) noexcept {
  tenure::deallocate(p);
}
TENURE_CXX_EXPORT void operator delete(void* p, size_t size, std::align_val_t) noexcept {
  tenure::deallocate_sized(p, size);
}
TENURE_CXX_EXPORT void operator delete[](void* p, size_t size, std::align_val_t) noexcept {
  tenure::deallocate_sized(p, size);
}
