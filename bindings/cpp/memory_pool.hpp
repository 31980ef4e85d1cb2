// A memory pool in the shape of Apache Arrow's arrow::MemoryPool: allocations of a query are charged to its tenant. At the tenant's limit
// the pool refuses them with a status. To use the pool with Arrow, derive from arrow::MemoryPool and turn Result into arrow::Status; nothing
// else differs. Buffers may be freed on any thread.
#pragma once

#include <tenure/tenant.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

namespace tenure_adapters {

enum class Result { kOk, kOutOfMemory, kInvalid };

class TenantMemoryPool {
public:
  explicit TenantMemoryPool(tenure::Tenant tenant) : tenant_(std::move(tenant)) {}

  Result Allocate(int64_t size, int64_t alignment, uint8_t** out) {
    if (size < 0 || alignment <= 0 || (alignment & (alignment - 1)) != 0) return Result::kInvalid;
    void* const block =
        tenure_aligned_alloc(tenant_.get(), static_cast<size_t>(std::max<int64_t>(alignment, 16)),
                             static_cast<size_t>(std::max<int64_t>(size, 1)));
    if (!block) return Result::kOutOfMemory;
    *out = static_cast<uint8_t*>(block);
    return Result::kOk;
  }

  // Keeps *ptr where there is no room. realloc() keeps the owner, but no alignment above malloc's.
  Result Reallocate(int64_t old_size, int64_t new_size, int64_t alignment, uint8_t** ptr) {
    if (new_size < 0) return Result::kInvalid;
    if (alignment <= 16 && new_size > 0) {
      void* const moved = std::realloc(*ptr, static_cast<size_t>(new_size));
      if (!moved) return Result::kOutOfMemory;
      *ptr = static_cast<uint8_t*>(moved);
      return Result::kOk;
    }
    uint8_t* moved = nullptr;
    const Result result = Allocate(new_size, alignment, &moved);
    if (result != Result::kOk) return result;
    std::memcpy(moved, *ptr, static_cast<size_t>(std::min(old_size, new_size)));
    std::free(*ptr);
    *ptr = moved;
    return Result::kOk;
  }

  void Free(uint8_t* buffer, int64_t /*size*/, int64_t /*alignment*/) { std::free(buffer); }

  // Arrow's figures are those of the tenant, with all below it.
  int64_t bytes_allocated() const { return static_cast<int64_t>(tenant_.stats().usage); }
  int64_t max_memory() const { return static_cast<int64_t>(tenant_.stats().peak); }
  void ReleaseUnused() { tenure_reclaim(tenant_.get(), SIZE_MAX); }
  std::string backend_name() const { return "tenure"; }

private:
  tenure::Tenant tenant_;
};

}  // namespace tenure_adapters
