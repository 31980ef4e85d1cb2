// Tenure for C++: RAII over the C API of tenure.h. Header-only; a program that uses it links the library. C++17. The coroutine part needs a
// compiler with coroutines, and is empty otherwise.
//
//   tenure/tenant.hpp     Tenant, Scope, Captured, bind, BindingExecutor
//   tenure/memory.hpp     MemoryResource (pmr), Allocator<T>, Cache<T>
//   tenure/coroutine.hpp  CarriesTenant, Task<T>
//
// Errors are exceptions: std::system_error with the errno value of tenure.h, and std::bad_alloc for refused memory. With exceptions turned
// off, an error ends the process by abort(). Objects of these types are as thread-safe as those of the standard library: different threads
// may use different objects, and several threads may call const members of one object. With TENURE_WEAK, programs must not use these types
// if tenure_available() returns 0.
#pragma once

#include <tenure/coroutine.hpp>
#include <tenure/memory.hpp>
#include <tenure/tenant.hpp>
