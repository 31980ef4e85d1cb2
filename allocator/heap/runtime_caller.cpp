#include "allocator/heap/runtime_caller.h"

#include <string.h>

#include "base/system/loaded_object.h"

// Where a program is linked statically, or exports them.
extern "C" {
TENURE_WEAK extern const char static_thread_atexit asm("__cxa_thread_atexit_impl");
TENURE_WEAK extern const char static_allocate_exception asm("__cxa_allocate_exception");
TENURE_WEAK extern const char static_allocate_dependent asm("__cxa_allocate_dependent_exception");
}

namespace tenure {
namespace {

// All of these libraries. The dynamic linker allocates thread-local memory of libraries that were opened, the vectors that lead
// there, and what libgcc_s.so.1 needs when the first thread is cancelled, or exits: for all of this, glibc ends the process.
// libgcc allocates for code that registers its own unwind tables, and does not look at the result.
bool is_runtime_library(const char* soname) {
  return strncmp(soname, "ld-linux", 8) == 0 || strcmp(soname, "libgcc_s.so.1") == 0;
}

// Functions of libc and of C++ runtimes, which may also be part of a plugin.
constexpr const char* kFunctions[] = {
    "__cxa_thread_atexit_impl",  // thread_local with a destructor: "Fatal glibc error"
    "__cxa_allocate_exception",  // std::terminate, once the reserve of all threads is used up
    "__cxa_allocate_dependent_exception",  // The same, for std::rethrow_exception.
    "__cxa_get_globals",                   // The same, where it is by pthread_getspecific.
};

// A static program has no table of its functions. These are shorter than this, and what follows them there allocates nothing.
bool is_in_static_function(const void* code) {
  constexpr uintptr_t kLongest = 256;
  for (const char* start :
       {&static_thread_atexit, &static_allocate_exception, &static_allocate_dependent}) {
    if (start && reinterpret_cast<uintptr_t>(code) - reinterpret_cast<uintptr_t>(start) < kLongest)
      return true;
  }
  return false;
}

}  // namespace

bool is_runtime_caller(const void* code) {
  const LoadedObject object = LoadedObject::of(code);
  if (!object) return is_in_static_function(code);
  if (is_runtime_library(object.soname())) return true;
  for (const char* function : kFunctions) {
    if (object.exports_at(function, code)) return true;
  }
  return false;
}

}  // namespace tenure
