// An allocator in the shape of v8::ArrayBuffer::Allocator: the array buffers of an isolate are charged to its tenant. When the
// allocator returns nullptr, V8 collects garbage and tries again, and then throws RangeError in the script. To use the allocator, derive
// from v8::ArrayBuffer::Allocator, and pass it to v8::Isolate::CreateParams. V8 may free on threads of its own.
#pragma once

#include <tenure/tenant.hpp>

#include <cstdlib>
#include <utility>

namespace tenure_adapters {

class ArrayBufferAllocator {
public:
  explicit ArrayBufferAllocator(tenure::Tenant tenant) : tenant_(std::move(tenant)) {}

  void* Allocate(size_t length) { return tenure_calloc(tenant_.get(), length ? length : 1, 1); }
  void* AllocateUninitialized(size_t length) {
    return tenure_malloc(tenant_.get(), length ? length : 1);
  }
  void Free(void* data, size_t /*length*/) { std::free(data); }

private:
  tenure::Tenant tenant_;
};

}  // namespace tenure_adapters
