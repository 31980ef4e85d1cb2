// Whose an object is: the tags of pooled slabs, and the payer of any object.
#pragma once

#include <cstddef>
#include <cstdint>

#include "accounting/tenants/context_table.h"
#include "accounting/tenants/tenant.h"
#include "allocator/slabs/slab.h"

namespace tenure {

// The meaning of a tag: 0, never used; else the number of the context that holds the object's charge, or with kFreedTag held it last, which is
// for messages only: the number may have become another's.
using OwnerTag = uint32_t;
constexpr OwnerTag kFreedTag = 1u << 31;
constexpr bool is_owned(OwnerTag tag) { return static_cast<int32_t>(tag) > 0; }

inline OwnerTag tag_of(const AccountingContext& context) {
  return context_table.number_of(context);
}
inline AccountingContext& context_of(OwnerTag tag) { return context_table.at(tag); }

// Whom a message about a pooled object names, also a free one; nullptr: not known.
const Tenant* payer_to_name(const RunDescriptor& slab, uint32_t index);
// The context that is charged for an object of any kind; nullptr: the root's own.
AccountingContext* payer_of(const RunDescriptor& run, const void* object);
// Bytes charged through the tags of a slab. Quiescent.
size_t tagged_bytes(const RunDescriptor& slab);

}  // namespace tenure
