// The memory pool and the array buffer allocator.
#include "../array_buffers.hpp"
#include "../memory_pool.hpp"
#include "check.h"

#include <thread>

using namespace tenure_adapters;

namespace {

constexpr int64_t kMiB = 1 << 20;

void pool() {
  tenure::Tenant query = tenure::Tenant::create("query");
  query.set_limit(TENURE_MAX, 8 * kMiB);
  TenantMemoryPool pool(query);
  for (const int64_t alignment : {8, 64, 4096}) {
    uint8_t* buffer = nullptr;
    CHECK(pool.Allocate(1000, alignment, &buffer) == Result::kOk);
    CHECK(reinterpret_cast<uintptr_t>(buffer) % static_cast<uintptr_t>(alignment) == 0);
    std::memset(buffer, 7, 1000);
    CHECK(pool.Reallocate(1000, 2 * kMiB, alignment, &buffer) == Result::kOk);
    CHECK(reinterpret_cast<uintptr_t>(buffer) % static_cast<uintptr_t>(alignment) == 0 && buffer[999] == 7);
    CHECK(pool.bytes_allocated() >= 2 * kMiB);
    uint8_t* const before = buffer;
    CHECK(pool.Reallocate(2 * kMiB, 16 * kMiB, alignment, &buffer) == Result::kOutOfMemory);
    CHECK(buffer == before && buffer[999] == 7);
    std::thread([&] { pool.Free(buffer, 2 * kMiB, alignment); }).join();
    CHECK(pool.bytes_allocated() == 0);
  }
  uint8_t* none = nullptr;
  CHECK(pool.Allocate(-1, 64, &none) == Result::kInvalid && pool.Allocate(1, 3, &none) == Result::kInvalid);
  CHECK(pool.Allocate(0, 64, &none) == Result::kOk && none);
  pool.Free(none, 0, 64);
  CHECK(pool.max_memory() >= 2 * kMiB);
  query.offline();
}

void array_buffers() {
  tenure::Tenant isolate = tenure::Tenant::create("isolate");
  isolate.set_limit(TENURE_MAX, 8 * kMiB);
  ArrayBufferAllocator allocator(isolate);
  CHECK(allocator.Allocate(16 * kMiB) == nullptr && allocator.AllocateUninitialized(16 * kMiB) == nullptr);
  for (const size_t size : {size_t{0}, size_t{100}, size_t{4 * kMiB}}) {
    auto* const zeroed = static_cast<uint8_t*>(allocator.Allocate(size));
    CHECK(zeroed);
    for (size_t i = 0; i < size; ++i) CHECK(zeroed[i] == 0);
    std::memset(zeroed, 1, size);
    CHECK(isolate.stats().usage >= size);
    allocator.Free(zeroed, size);
  }
  CHECK(isolate.stats().usage == 0);
  isolate.offline();
}

}  // namespace

int main() {
  pool();
  array_buffers();
  CHECK(tenure_validate() == 0);
}
