// The C++ runtime library of the program, or of one of its plugins. The library links none.
#pragma once

#include <unwind.h>

#include <cstddef>
#include <new>

namespace tenure {

// The functions of the C++ ABI, from any implementation. Each may be null, because a static link takes only functions that are referred to.
struct CxxRuntime {
  using Personality = _Unwind_Reason_Code(int version, _Unwind_Action actions,
                                          _Unwind_Exception_Class exception_class,
                                          _Unwind_Exception* exception, _Unwind_Context* context);
  std::new_handler (*get_new_handler)() noexcept;

  void* (*allocate_exception)(size_t size) noexcept;
  void (*throw_exception)(void* exception, void* type, void (*destroy)(void*));
  void* bad_alloc_type;
  void** bad_alloc_vtable;
  void (*destroy_bad_alloc)(void*);

  Personality* personality;
  void* (*begin_catch)(void*) noexcept;
  void (*end_catch)();

  // Returns only if a function that it needs is missing.
  void throw_bad_alloc() const;
};

// The runtime that serves the code at this address. If the program was started with a runtime, it is that one, and is known. Otherwise a
// plugin has opened a runtime with dlopen, perhaps only for itself, and may close it. So each call looks for it again, which takes the
// dynamic linker's lock. Keeps errno. Allocations of the dynamic linker for the lookup are charged to the root.
CxxRuntime cxx_runtime_of(const void* code) noexcept;

}  // namespace tenure
