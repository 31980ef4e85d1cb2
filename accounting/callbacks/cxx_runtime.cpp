#include "accounting/callbacks/cxx_runtime.h"

#include <dlfcn.h>
#include <errno.h>

#include "accounting/callbacks/root_scope.h"
#include "base/words/attributes.h"

// Bound when the library is loaded or linked, if there is a runtime by then.
namespace std {
TENURE_WEAK new_handler get_new_handler() noexcept;
}
extern "C" {
TENURE_WEAK void* allocate_exception(size_t size) noexcept asm("__cxa_allocate_exception");
TENURE_WEAK void throw_exception(void* exception, void* type,
                                 void (*destroy)(void*)) asm("__cxa_throw");
TENURE_WEAK extern char bad_alloc_type[] asm("_ZTISt9bad_alloc");
TENURE_WEAK extern void* bad_alloc_vtable[] asm("_ZTVSt9bad_alloc");
TENURE_WEAK void destroy_bad_alloc(void* exception) asm("_ZNSt9bad_allocD1Ev");
TENURE_WEAK tenure::CxxRuntime::Personality personality asm("__gxx_personality_v0");
TENURE_WEAK void* begin_catch(void* exception) noexcept asm("__cxa_begin_catch");
TENURE_WEAK void end_catch() asm("__cxa_end_catch");
}

namespace tenure {
namespace {

template <typename Object>
void find(Object*& object, void* handle, const char* mangled_name) {
  object = reinterpret_cast<Object*>(dlsym(handle, mangled_name));
}

// Symbols that are visible through a handle: of a library and all its dependencies.
bool find_in(void* handle, CxxRuntime& runtime) {
  find(runtime.bad_alloc_type, handle, "_ZTISt9bad_alloc");
  find(runtime.throw_exception, handle, "__cxa_throw");
  if (runtime.bad_alloc_type == nullptr || runtime.throw_exception == nullptr) return false;
  find(runtime.get_new_handler, handle, "_ZSt15get_new_handlerv");
  find(runtime.allocate_exception, handle, "__cxa_allocate_exception");
  find(runtime.bad_alloc_vtable, handle, "_ZTVSt9bad_alloc");
  find(runtime.destroy_bad_alloc, handle, "_ZNSt9bad_allocD1Ev");
  find(runtime.personality, handle, "__gxx_personality_v0");
  find(runtime.begin_catch, handle, "__cxa_begin_catch");
  find(runtime.end_catch, handle, "__cxa_end_catch");
  // For opened libraries, the runtime's data of a thread is allocated at the first use. glibc ends the process if that fails, as it would
  // in a tenant at its limit that is about to throw.
  void* (*get_globals)() = nullptr;
  find(get_globals, handle, "__cxa_get_globals");
  if (get_globals) get_globals();
  return true;
}

// Looks for a loaded library; loads none.
bool find_in_library(const char* name, CxxRuntime& runtime) {
  // Looked up by name, because a reference would cause a warning in every static link.
  decltype(&dlopen) open = nullptr;
  find(open, RTLD_DEFAULT, "dlopen");
  void* const handle = open ? open(name, RTLD_LAZY | RTLD_NOLOAD) : nullptr;
  if (handle == nullptr) return false;
  const bool found = find_in(handle, runtime);
  dlclose(handle);
  return found;
}

TENURE_SLOW CxxRuntime search(const void* code) {
  const int saved = errno;
  // A tenant at its limit must not make allocations of the dynamic linker fail.
  const RootScope as_root;
  CxxRuntime runtime{};
  Dl_info info;
  // The code's own runtime comes first, because there may be several runtimes. The code may also have left its frame by a tail call, so
  // that the address belongs to a caller without a runtime.
  [[maybe_unused]] const bool found =
      (dladdr(code, &info) != 0 && find_in_library(info.dli_fname, runtime)) ||
      find_in(RTLD_DEFAULT, runtime) || find_in_library("libstdc++.so.6", runtime) ||
      find_in_library("libc++.so.1", runtime);
  errno = saved;
  return runtime;
}

}  // namespace

void CxxRuntime::throw_bad_alloc() const {
  if (!allocate_exception || !throw_exception || !bad_alloc_type || !bad_alloc_vtable) return;
  auto** const exception = static_cast<void**>(allocate_exception(sizeof(std::bad_alloc)));
  *exception =
      bad_alloc_vtable + 2;  // The same as its constructor does. Two words precede the functions.
  throw_exception(exception, bad_alloc_type, destroy_bad_alloc);
}

CxxRuntime cxx_runtime_of(const void* code) noexcept {
  if (&::throw_exception == nullptr) return search(code);
  return {&std::get_new_handler, &::allocate_exception, &::throw_exception,
          ::bad_alloc_type,      ::bad_alloc_vtable,    &::destroy_bad_alloc,
          &::personality,        &::begin_catch,        &::end_catch};
}

}  // namespace tenure
