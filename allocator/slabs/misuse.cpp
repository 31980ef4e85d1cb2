#include "allocator/slabs/misuse.h"

#include <stdlib.h>
#include <unistd.h>

#include "allocator/slabs/arena.h"
#include "allocator/slabs/last_payer.h"
#include "allocator/slabs/owner_tag.h"
#include "base/system/log.h"

namespace tenure {
namespace {

constexpr const char* kNames[] = {"double free",        "foreign pointer",  "interior pointer",
                                  "misaligned pointer", "wrong size class", "corrupted chain"};

const RunDescriptor* descriptor_for(const void* pointer) {
  const uint32_t granule = granule_of(pointer);
  if (granule == kNoGranule) return nullptr;
  const uint32_t number = arena.page_map.at(granule).descriptor.load(std::memory_order_relaxed);
  return number ? &arena.descriptors.at(number) : nullptr;
}

const Tenant* payer_for(const RunDescriptor* run, const void* pointer) {
  if (run == nullptr || (run->kind != RunKind::kSlab && run->kind != RunKind::kLarge)) {
    const Tenant* const known = last_payer(granule_of(pointer));
    // Before the first tenant all was the root's, which has no context until then.
    const bool alone = root_tenant.context.load(std::memory_order_relaxed) == nullptr;
    return known == nullptr && alone ? &root_tenant : known;
  }
  if (run->kind == RunKind::kSlab && run->tags && run->cache->has_tags()) {
    const uint64_t offset =
        reinterpret_cast<uint64_t>(pointer) - reinterpret_cast<uint64_t>(slab_base(*run));
    const uint32_t index = object_index(*run, offset).index;
    return index < run->capacity ? payer_to_name(*run, index) : nullptr;
  }
  const AccountingContext* const payer =
      run->kind == RunKind::kSlab && run->context == nullptr ? run->cache->payer : run->context;
  return payer ? payer->tenant() : &root_tenant;
}

// The tenant that pays for the object, or paid for it before it was freed, if that is known.
void write_payer(const RunDescriptor* run, const void* pointer, LineBuffer& line) {
  grace::ReadSection section;
  const Tenant* const payer = payer_for(run, pointer);
  if (payer == nullptr) return;
  line.text(", tenant ");
  payer->write_path(line);
}

}  // namespace

void report_misuse(Misuse what, const void* pointer) {
  LineBuffer line;
  line.text("tenure: ").text(kNames[static_cast<int>(what)]);
  line.text(": pointer ").hex(reinterpret_cast<uint64_t>(pointer));
  const RunDescriptor* const run = descriptor_for(pointer);
  if (granule_of(pointer) != kNoGranule) write_payer(run, pointer, line);
  if (run) {
    line.text(", class ");
    line.decimal(run->kind == RunKind::kSlab ? run->object_size : run->large_bytes);
  }
  line.text("\n").flush(STDERR_FILENO);
  abort();
}

void report_bad_pointer(const void* pointer) {
  const uint32_t granule = granule_of(pointer);
  if (granule == kNoGranule) report_misuse(Misuse::kForeignPointer, pointer);
  if (reinterpret_cast<uint64_t>(pointer) % kMinAlignment != 0) {
    report_misuse(Misuse::kMisalignedPointer, pointer);
  }
  if (descriptor_for(pointer)) report_misuse(Misuse::kInteriorPointer, pointer);
  // Inside the arena, but nothing starts in this granule: the middle of a large object, or free memory, which was somebody's
  // before.
  report_misuse(arena.page_heap.is_used(granule) ? Misuse::kInteriorPointer : Misuse::kDoubleFree,
                pointer);
}

}  // namespace tenure
