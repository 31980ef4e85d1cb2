// The C++ runtime library of the program, or of one of its plugins. The library links none.
#pragma once

#include <unwind.h>

#include <cstddef>
#include <new>

namespace tenure {

// By the C++ ABI, whoever made it. Each may be null: a static link takes only what something refers to.
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

  // Returns only where something for it is missing.
  void throw_bad_alloc() const;
};

// The runtime that serves the code at this address. Where the program was started with one it is that, and known.
// Else whoever brought one opened it with dlopen, perhaps for itself alone: then it is looked for each time, for it may go,
// which takes the dynamic linker's lock. Keeps errno; what the dynamic linker allocates for it is the root's.
CxxRuntime cxx_runtime_of(const void* code) noexcept;

}  // namespace tenure
