// Tenure for C++: RAII over the C API of tenure.h. Header-only; a program that uses it links the
// library. C++17; the coroutine part is there where the compiler has coroutines.
//
//   tenure/tenant.hpp     Tenant, Scope, Captured, bind, BindingExecutor
//   tenure/memory.hpp     MemoryResource (pmr), Allocator<T>, Cache<T>
//   tenure/coroutine.hpp  CarriesTenant, Task<T>
//
// Errors are exceptions: std::system_error with the errno value of tenure.h, std::bad_alloc where
// memory is refused. With exceptions turned off, what would throw ends the process by abort().
// Objects of these types may be used like those of the standard library: different ones from
// different threads, one by several for const members only.
#pragma once

#include <tenure/coroutine.hpp>
#include <tenure/memory.hpp>
#include <tenure/tenant.hpp>
