// The only file that catches exceptions. In a function that catches, the compiler refers to the C++ runtime, which may be loaded long after
// the library. So these references lead to functions of this file, which look for the runtime when there is an exception: the runtime that
// has thrown it.
#include "accounting/callbacks/catch_all.h"

#include "accounting/callbacks/cxx_runtime.h"

namespace tenure {
namespace {

// The runtime that made an exception has the function that destroys it. For exceptions of other languages, and for the end of a thread that
// unwinds its stack, any runtime will do.
CxxRuntime runtime_of(const _Unwind_Exception* exception) {
  return cxx_runtime_of(reinterpret_cast<const void*>(exception->exception_cleanup));
}

_Unwind_Reason_Code personality(int version, _Unwind_Action actions,
                                _Unwind_Exception_Class exception_class,
                                _Unwind_Exception* exception, _Unwind_Context* context) {
  CxxRuntime::Personality* const real = runtime_of(exception).personality;
  if (real == nullptr) return _URC_CONTINUE_UNWIND;
  return real(version, actions, exception_class, exception, context);
}

extern "C" {

// Begins and ends at once, while the runtime of the exception is known.
__attribute__((used)) static void* tenure_begin_catch(void* exception) {
  const CxxRuntime runtime = runtime_of(static_cast<const _Unwind_Exception*>(exception));
  runtime.begin_catch(exception);
  runtime.end_catch();
  return nullptr;
}
__attribute__((used)) static void tenure_end_catch() {}

}  // extern "C"

}  // namespace

// Aliases within this file. std::terminate() is never reached, because no code below throws again.
asm(R"(
  .set __cxa_begin_catch, tenure_begin_catch
  .set __cxa_end_catch, tenure_end_catch
  .weak __gxx_personality_v0
  .weak _ZSt9terminatev
)");

// The word in which unwinders find the personality routine of returns(). It is the compiler's own word, and is null as long as the weak
// reference is null.
extern __attribute__((visibility("hidden")))
CxxRuntime::Personality* personality_word asm("DW.ref.__gxx_personality_v0");

bool returns(void (*function)(void*), void* argument) noexcept {
  // Relaxed: this thread's unwinder reads it, and all threads write the same.
  if (__atomic_load_n(&personality_word, __ATOMIC_RELAXED) == nullptr)
    __atomic_store_n(&personality_word, &personality, __ATOMIC_RELAXED);
  try {
    function(argument);
  } catch (...) {
    return false;
  }
  return true;
}

}  // namespace tenure
