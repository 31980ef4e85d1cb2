#include "allocator/misuse.h"

#include <stdlib.h>
#include <unistd.h>

#include "allocator/arena.h"
#include "allocator/pool.h"
#include "base/log.h"

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

void write_payer(const RunDescriptor& run, const void* pointer, LineBuffer& line) {
  grace::ReadSection section;
  const AccountingContext* payer = run.kind == RunKind::kNone ? nullptr : payer_of(run, pointer);
  (payer ? *payer->tenant() : root_tenant).write_path(line);
}

}  // namespace

void report_misuse(Misuse what, const void* pointer) {
  LineBuffer line;
  line.text("tenure: ").text(kNames[static_cast<int>(what)]);
  line.text(": pointer ").hex(reinterpret_cast<uint64_t>(pointer));
  if (const RunDescriptor* run = descriptor_for(pointer)) {
    line.text(", tenant ");
    write_payer(*run, pointer, line);
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
