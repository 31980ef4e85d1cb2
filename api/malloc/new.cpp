// The 20 replaceable forms of operator new and delete.
//
// The library does not link libstdc++. The caller has it: the program, or a plugin.
#include <stdlib.h>

#include <cstddef>
#include <new>

#include "accounting/callbacks/catch_all.h"
#include "accounting/callbacks/cxx_runtime.h"
#include "allocator/heap/heap.h"
#include "base/system/check.h"

#define TENURE_CXX_EXPORT __attribute__((visibility("default")))

namespace {

// The standard's loop: the handler makes room, throws, or is absent. `call` returns whether the handler has returned.
template <typename Allocate, typename Call>
TENURE_INLINE void* retry(const tenure::CxxRuntime& runtime, Allocate allocate, Call call) {
  for (;;) {
    const std::new_handler handler = runtime.get_new_handler ? runtime.get_new_handler() : nullptr;
    if (handler == nullptr || !call(handler)) return nullptr;
    if (void* p = allocate()) return p;
  }
}

// Exceptions of the handler pass through. `caller` is the return address of operator new.
template <typename Allocate>
TENURE_SLOW void* retry_or_throw(Allocate allocate, const void* caller) {
  const tenure::CxxRuntime runtime = tenure::cxx_runtime_of(caller);
  void* const p = retry(runtime, allocate, [](std::new_handler handler) {
    handler();
    return true;
  });
  if (p != nullptr) return p;
  runtime.throw_bad_alloc();
  tenure::fatal("operator new: out of memory, and no C++ runtime to throw std::bad_alloc");
}

template <typename Allocate>
TENURE_SLOW void* retry_nothrow(Allocate allocate, const void* caller) noexcept {
  return retry(tenure::cxx_runtime_of(caller), allocate,
               [](std::new_handler handler) noexcept { return tenure::returns(handler); });
}

struct Plain {
  size_t size;
  TENURE_INLINE void* operator()() const noexcept { return tenure::allocate(size); }
};
struct Aligned {
  size_t size;
  std::align_val_t alignment;
  TENURE_INLINE void* operator()() const noexcept {
    return tenure::allocate_aligned(size, static_cast<size_t>(alignment));
  }
};

// operator new calls it last (a tail call), and so saves no register for it.
TENURE_NOINLINE void* new_slow(size_t size, const void* caller) {
  void* const p = tenure::allocate_slow(size);
  return TENURE_LIKELY(p != nullptr) ? p : retry_or_throw(Plain{size}, caller);
}
// The caller's address matters only for a refused request, so only the slow branches look at it.
TENURE_INLINE void* new_plain(size_t size) {
  return tenure::allocate_or(
      size, [](size_t bytes) __attribute__((always_inline)) {
        return new_slow(bytes, __builtin_return_address(0));
      });
}

// Always inlined, so that the address is operator new's return address.
template <typename Allocate>
TENURE_INLINE void* new_object(Allocate allocate) {
  void* const p = allocate();
  return TENURE_LIKELY(p != nullptr) ? p : retry_or_throw(allocate, __builtin_return_address(0));
}
template <typename Allocate>
TENURE_INLINE void* new_nothrow(Allocate allocate) noexcept {
  void* const p = allocate();
  return TENURE_LIKELY(p != nullptr) ? p : retry_nothrow(allocate, __builtin_return_address(0));
}

}  // namespace

TENURE_CXX_EXPORT TENURE_OWN_LINE void* operator new(size_t size) { return new_plain(size); }
TENURE_CXX_EXPORT void* operator new[](size_t size) { return new_plain(size); }
TENURE_CXX_EXPORT void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return new_nothrow(Plain{size});
}
TENURE_CXX_EXPORT void* operator new[](size_t size, const std::nothrow_t&) noexcept {
  return new_nothrow(Plain{size});
}
TENURE_CXX_EXPORT void* operator new(size_t size, std::align_val_t a) {
  return new_object(Aligned{size, a});
}
TENURE_CXX_EXPORT void* operator new[](size_t size, std::align_val_t a) {
  return new_object(Aligned{size, a});
}
TENURE_CXX_EXPORT void* operator new(size_t size, std::align_val_t a,
                                     const std::nothrow_t&) noexcept {
  return new_nothrow(Aligned{size, a});
}
TENURE_CXX_EXPORT void* operator new[](size_t size, std::align_val_t a,
                                       const std::nothrow_t&) noexcept {
  return new_nothrow(Aligned{size, a});
}

TENURE_CXX_EXPORT TENURE_OWN_LINE void operator delete(void* p) noexcept { tenure::deallocate(p); }
TENURE_CXX_EXPORT void operator delete[](void* p) noexcept { tenure::deallocate(p); }
TENURE_CXX_EXPORT void operator delete(void* p, const std::nothrow_t&) noexcept {
  tenure::deallocate(p);
}
TENURE_CXX_EXPORT void operator delete[](void* p, const std::nothrow_t&) noexcept {
  tenure::deallocate(p);
}
TENURE_CXX_EXPORT TENURE_OWN_LINE void operator delete(void* p, size_t size) noexcept {
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
