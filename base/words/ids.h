// Distinct types for small integers that must not be mixed up.
#pragma once

#include <cstdint>

namespace tenure {

// A CPU as the kernel numbers it; ids may be sparse, so arrays are sized by the largest possible id.
enum class CpuId : uint32_t {};
// A size class of the slab allocator.
enum class ClassId : uint8_t {};
// A tenant; ids are reused after a grace period. Root is 0 and lives for ever.
enum class TenantId : uint32_t {};

constexpr TenantId kRootTenant{0};

constexpr uint32_t index_of(CpuId id) { return static_cast<uint32_t>(id); }
constexpr uint32_t index_of(ClassId id) { return static_cast<uint32_t>(id); }
constexpr uint32_t index_of(TenantId id) { return static_cast<uint32_t>(id); }

}  // namespace tenure
