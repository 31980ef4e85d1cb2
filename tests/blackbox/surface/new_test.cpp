#include <dlfcn.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <new>
#include <stdint.h>
#include <stdlib.h>
#include <string>

#include "tests/blackbox/support/pattern.h"
#include "tests/blackbox/surface/entry_points.h"

namespace blackbox {
namespace {

using std::align_val_t;
using std::nothrow;

constexpr size_t kSizes[] = {0, 1, 8, 16, 24, 100, 1000, 5000, 40000, 300000, 4 << 20};

// An object of operator new: usable, and the same heap as malloc's.
void* used(void* object, size_t size, size_t alignment = 16) {
  EXPECT_NE(object, nullptr);
  EXPECT_EQ(uintptr_t(object) % alignment, 0u);
  EXPECT_GE(malloc_usable_size(object), size);
  fill_pattern(object, size, size);
  EXPECT_EQ(find_mismatch(object, size, size), kNoMismatch);
  return object;
}

TEST(New, PlainAndNothrowWithEveryDelete) {
  for (size_t size : kSizes) {
    operator delete(used(operator new(size), size));
    operator delete(used(operator new(size), size), size);
    operator delete(used(operator new(size), size), nothrow);
    operator delete(used(operator new(size, nothrow), size));
    operator delete[](used(operator new[](size), size));
    operator delete[](used(operator new[](size), size), size);
    operator delete[](used(operator new[](size), size), nothrow);
    operator delete[](used(operator new[](size, nothrow), size));
  }
}

TEST(New, AlignedWithEveryDelete) {
  for (size_t align = 8; align <= (1 << 20); align *= 2)
    for (size_t size : kSizes) {
      auto alignment = align_val_t(align);
      operator delete(used(operator new(size, alignment), size, align), alignment);
      operator delete(used(operator new(size, alignment), size, align), size, alignment);
      operator delete(used(operator new(size, alignment, nothrow), size, align), alignment,
                      nothrow);
      operator delete[](used(operator new[](size, alignment), size, align), alignment);
      operator delete[](used(operator new[](size, alignment), size, align), size, alignment);
      operator delete[](used(operator new[](size, alignment, nothrow), size, align), alignment,
                        nothrow);
    }
}

TEST(New, DeleteOfNullDoesNothing) {
  void* null = opaque<void*>(nullptr);
  operator delete(null);
  operator delete(null, size_t(10));
  operator delete(null, nothrow);
  operator delete(null, align_val_t(64));
  operator delete(null, size_t(10), align_val_t(64));
  operator delete(null, align_val_t(64), nothrow);
  operator delete[](null);
  operator delete[](null, size_t(10));
}

// All forms must come from the module that malloc comes from: a form left to another library would
// pass its objects to the wrong heap.
TEST(New, EveryFormComesWithMalloc) {
  const char* names[] = {
      "_Znwm",
      "_ZnwmRKSt9nothrow_t",
      "_ZnwmSt11align_val_t",
      "_ZnwmSt11align_val_tRKSt9nothrow_t",
      "_Znam",
      "_ZnamRKSt9nothrow_t",
      "_ZnamSt11align_val_t",
      "_ZnamSt11align_val_tRKSt9nothrow_t",
      "_ZdlPv",
      "_ZdlPvRKSt9nothrow_t",
      "_ZdlPvSt11align_val_t",
      "_ZdlPvSt11align_val_tRKSt9nothrow_t",
      "_ZdaPv",
      "_ZdaPvRKSt9nothrow_t",
      "_ZdaPvSt11align_val_t",
      "_ZdaPvSt11align_val_tRKSt9nothrow_t",
      "_ZdlPvm",
      "_ZdlPvmSt11align_val_t",
      "_ZdaPvm",
      "_ZdaPvmSt11align_val_t",
  };
  Dl_info home;
  ASSERT_NE(dladdr(dlsym(RTLD_DEFAULT, "malloc"), &home), 0);
  for (const char* name : names) {
    void* function = dlsym(RTLD_DEFAULT, name);
    ASSERT_NE(function, nullptr) << name;
    Dl_info info;
    ASSERT_NE(dladdr(function, &info), 0) << name;
    EXPECT_EQ(info.dli_fbase, home.dli_fbase) << name << " is in " << info.dli_fname;
  }
}

TEST(New, ImpossibleSizesThrowBadAlloc) {
  for (size_t constant : kTooLarge) {
    size_t size = opaque(constant);
    EXPECT_THROW(operator delete(operator new(size)), std::bad_alloc) << size;
    EXPECT_THROW(operator delete[](operator new[](size)), std::bad_alloc) << size;
    EXPECT_THROW(operator delete(operator new(size, align_val_t(64)), align_val_t(64)),
                 std::bad_alloc);
    EXPECT_THROW(operator delete[](operator new[](size, align_val_t(64)), align_val_t(64)),
                 std::bad_alloc);
    EXPECT_EQ(operator new(size, nothrow), nullptr) << size;
    EXPECT_EQ(operator new[](size, nothrow), nullptr) << size;
    EXPECT_EQ(operator new(size, align_val_t(64), nothrow), nullptr) << size;
    EXPECT_EQ(operator new[](size, align_val_t(4096), nothrow), nullptr) << size;
  }
}

int handler_calls = 0;

void give_up_after_three() {
  if (++handler_calls == 3) std::set_new_handler(nullptr);
}

TEST(New, HandlerIsCalledUntilItGivesUp) {
  size_t size = opaque(~size_t(0) - 100);
  for (int form = 0; form < 4; ++form) {
    handler_calls = 0;
    std::set_new_handler(give_up_after_three);
    switch (form) {
    case 0:
      EXPECT_THROW(operator delete(operator new(size)), std::bad_alloc);
      break;
    case 1:
      EXPECT_THROW(operator delete(operator new(size, align_val_t(128)), align_val_t(128)),
                   std::bad_alloc);
      break;
    case 2:
      EXPECT_EQ(operator new(size, nothrow), nullptr);
      break;
    default:
      EXPECT_EQ(operator new(size, align_val_t(128), nothrow), nullptr);
    }
    EXPECT_EQ(handler_calls, 3) << form;
    EXPECT_EQ(std::get_new_handler(), nullptr);
  }
}

struct HandlerError {};

TEST(New, HandlerMayThrow) {
  size_t size = opaque(~size_t(0) - 100);
  std::set_new_handler([] { throw std::bad_alloc(); });
  EXPECT_THROW(operator delete(operator new(size)), std::bad_alloc);
  EXPECT_THROW(operator delete[](operator new[](size)), std::bad_alloc);
  EXPECT_EQ(operator new(size, nothrow), nullptr);
  EXPECT_EQ(operator new[](size, nothrow), nullptr);
  std::set_new_handler([] { throw HandlerError(); });
  EXPECT_THROW(operator delete(operator new(size)), HandlerError);
  std::set_new_handler(nullptr);
}

TEST(New, ExceptionsLeaveAUsableHeap) {
  for (int i = 0; i < 1000; ++i) {
    try {
      operator delete(operator new(opaque(~size_t(0) - size_t(i))));
      FAIL();
    } catch (const std::bad_alloc&) {
    }
  }
  delete[] new char[100];
}

TEST(New, ThrownObjectsAndTheirBuffersComeAndGo) {
  for (int i = 0; i < 2000; ++i) {
    try {
      throw std::string(size_t(i), 'x');
    } catch (const std::string& text) {
      ASSERT_EQ(text.size(), size_t(i));
    }
  }
}

}  // namespace
}  // namespace blackbox
