#include "allocator/pool.h"

#include "accounting/charge.h"
#include "allocator/arena.h"
#include "allocator/heap.h"
#include "allocator/misuse.h"
#include "base/meta_arena.h"

namespace tenure {

constinit Cache pool_caches[kClassCount];

namespace {

// Contexts lie in the metadata arena, 64 bytes apart or more; the root's own does not.
constexpr OwnerTag kRootTag = UINT32_MAX;

std::atomic<OwnerTag>& tag_at(const RunDescriptor& slab, const void* object) {
  const uint64_t offset = static_cast<uint64_t>(static_cast<const char*>(object) - slab_base(slab));
  return slab.tags[object_index(slab, offset).index];
}

const RunDescriptor& slab_of(const void* object) {
  const GranuleEntry& entry = arena.page_map.at(granule_of(object));
  return arena.descriptors.at(entry.descriptor.load(std::memory_order_relaxed));
}

}  // namespace

OwnerTag tag_of(const AccountingContext& context) {
  if (&context == root_tenant.context.load(std::memory_order_relaxed)) return kRootTag;
  const auto offset = reinterpret_cast<uint64_t>(&context) - meta_arena.base();
  return static_cast<OwnerTag>(offset / kCacheLine + 1);
}

AccountingContext& context_of(OwnerTag tag) {
  if (tag == kRootTag) return *root_tenant.context.load(std::memory_order_relaxed);
  const uint64_t address = meta_arena.base() + (tag - uint64_t{1}) * kCacheLine;
  return *reinterpret_cast<AccountingContext*>(address);
}

void* allocate_pooled(Tenant& tenant, Cache& pool) {
  AccountingContext* const context = charge(tenant, pool.object_size, RequestKind::kSmall);
  if (context == nullptr) return nullptr;
  auto* const object = static_cast<uint64_t*>(allocate_from(pool));
  if (object == nullptr) {
    uncharge(*context, pool.object_size);
    return nullptr;
  }
  // The links that it held in the lists: all else was cleared when it was freed, or the slab made.
  object[0] = object[1] = 0;
  // Relaxed: who frees the object got it from who allocated it.
  tag_at(slab_of(object), object).store(tag_of(*context), std::memory_order_relaxed);
  return object;
}

Cache& release_pooled(RunDescriptor& slab, void* object) {
  const OwnerTag tag = tag_at(slab, object).exchange(0, std::memory_order_relaxed);
  if (tag == 0) report_misuse(Misuse::kDoubleFree, object);
  // Nobody reads another tenant's memory.
  __builtin_memset(object, 0, slab.object_size);
  uncharge(context_of(tag), slab.object_size);
  return *slab.cache;
}

AccountingContext* payer_of(const RunDescriptor& run, const void* object) {
  if (run.kind != RunKind::kSlab || run.tags == nullptr) return run.context;
  const OwnerTag tag = tag_at(run, object).load(std::memory_order_relaxed);
  return tag == 0 ? nullptr : &context_of(tag);
}

size_t tagged_bytes(const RunDescriptor& slab) {
  if (slab.tags == nullptr) return 0;
  size_t tagged = 0;
  for (uint32_t i = 0; i < slab.capacity; ++i) {
    tagged += slab.tags[i].load(std::memory_order_relaxed) != 0;
  }
  return tagged * slab.object_size;
}

}  // namespace tenure
