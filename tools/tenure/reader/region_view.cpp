#include "tools/tenure/reader/region_view.h"

#include <fmt/core.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "tools/tenure/reader/proc.h"
#include "tools/tenure/reader/region_tables.h"

namespace tenure::tool {
namespace {

// A slot of a later version is longer; of all versions at least what this one has.
constexpr uint32_t kMostEntryBytes = 64 * 1024;

template <typename Enum>
constexpr uint32_t number_of(Enum value) {
  return static_cast<uint32_t>(value);
}

bool is_used(const live::TenantSlot& slot) {
  return slot.state == number_of(live::SlotState::kOnline) ||
         slot.state == number_of(live::SlotState::kDying);
}

struct Range {
  const char* name;
  uint64_t at;
  uint32_t bytes, count, least_bytes;
};

// Whether `count` entries fit; without overflow, as `bytes` has 17 bits and `count` 32.
bool fits(const Range& range, uint64_t size) {
  const uint64_t length = uint64_t{range.bytes} * range.count;
  return range.bytes >= range.least_bytes && range.bytes <= kMostEntryBytes &&
         range.bytes % 8 == 0 && range.at % 8 == 0 && range.at <= size && length <= size - range.at;
}

// What lies before the generation is taken from the later copy, the rest from the earlier one. If both copies have the
// same even generation, everything that is taken was copied between the two looks at the generation.
constexpr size_t kIdentityAt = offsetof(live::TenantSlot, generation);

bool join(const std::byte* earlier, const std::byte* later, live::TenantSlot& slot) {
  uint32_t before = 0, after = 0;
  memcpy(&before, earlier + kIdentityAt, sizeof before);
  memcpy(&after, later + kIdentityAt, sizeof after);
  if (before != after || before % 2 != 0) return false;
  memcpy(reinterpret_cast<std::byte*>(&slot), later, kIdentityAt);
  memcpy(reinterpret_cast<std::byte*>(&slot) + kIdentityAt, earlier + kIdentityAt,
         sizeof slot - kIdentityAt);
  return true;
}

// A slot that changed while it was copied with others.
bool copy_again(const RegionBytes& bytes, uint64_t at, live::TenantSlot& slot) {
  constexpr int kTries = 16;
  std::byte earlier[sizeof slot], later[sizeof slot];
  for (int i = 0; i < kTries; ++i) {
    if (!bytes.copy(at, earlier, sizeof earlier) || !bytes.copy(at, later, sizeof later))
      return false;
    if (join(earlier, later, slot)) return true;
  }
  return false;
}

Tenant tenant_of(const NumberedSlot& entry) {
  const live::TenantSlot& slot = entry.slot;
  Tenant tenant;
  tenant.slot = entry.number;
  tenant.generation = slot.generation;
  tenant.id = slot.id;
  tenant.name = text_of(slot.name);
  std::replace(tenant.name.begin(), tenant.name.end(), '/', '?');
  tenant.online = slot.state == number_of(live::SlotState::kOnline);
  tenant.policy = static_cast<uint32_t>(live::policy_of(slot.oom));
  tenant.usage = slot.usage;
  tenant.peak = std::max(slot.peak, slot.usage);
  tenant.min = slot.min;
  tenant.low = slot.low;
  tenant.high = ~slot.high_complement;
  tenant.max = ~slot.max_complement;
  tenant.reserve = live::reserve_of(slot.oom);
  tenant.failures = slot.failures;
  std::copy_n(slot.events, kEventKinds, tenant.events.begin());
  tenant.subtree_events = tenant.events;
  tenant.some.total_us = slot.some_us;
  std::copy_n(slot.some, 3, tenant.some.average.begin());
  tenant.own = slot.own_bytes;
  tenant.cached = slot.cached_bytes;
  tenant.dead = slot.dead_bytes;
  tenant.mapped = slot.mapped_bytes;
  tenant.meta = slot.meta_bytes;
  return tenant;
}

}  // namespace

bool RegionBytes::copy(uint64_t at, void* to, size_t length) const {
  auto* out = static_cast<std::byte*>(to);
  while (length != 0) {
    const ssize_t n = pread(fd_, out, length, static_cast<off_t>(at));
    if (n <= 0) return false;
    out += n;
    at += static_cast<uint64_t>(n);
    length -= static_cast<size_t>(n);
  }
  return true;
}

uint64_t RegionBytes::size() const {
  struct stat status;
  return fstat(fd_, &status) == 0 ? static_cast<uint64_t>(status.st_size) : 0;
}

std::string text_of(const char* characters, size_t most) {
  return printable(std::string(characters, strnlen(characters, most)));
}

std::string header_fault(const live::Header& header, uint64_t size) {
  if (header.magic != live::kMagic) return "is no live region of Tenure";
  if (header.version != live::kVersion)
    return fmt::format("has version {} of the live region; this tool knows version {}",
                       header.version, live::kVersion);
  if (header.state == number_of(live::State::kMaking)) return "is not ready yet";
  if (header.state > number_of(live::State::kEnded))
    return fmt::format("is damaged: its state is {}", header.state);
  if (header.header_bytes < sizeof(live::Header) || header.header_bytes > size)
    return "is damaged: its header is cut off";
  const Range ranges[] = {
      {"requests", header.requests_at, header.request_bytes, header.requests,
       sizeof(live::Request)},
      {"totals", header.totals_at, sizeof(live::LevelTotals), 1, sizeof(live::LevelTotals)},
      {"classes", header.classes_at, header.class_bytes, header.classes, sizeof(live::ClassTotals)},
      {"events", header.events_at, header.event_bytes, header.event_entries, sizeof(live::Event)},
      {"reports", header.reports_at, header.report_bytes, header.reports, sizeof(live::Report)},
      {"tenants", header.slots_at, header.slot_bytes, header.slots, sizeof(live::TenantSlot)},
  };
  // A sparse file may claim any length: what is read must end.
  constexpr uint32_t kMostEntries = 1U << 16, kMostTenants = 4 * live::kMostSlots;
  if (std::max({header.requests, header.classes, header.event_entries, header.reports}) >
          kMostEntries ||
      header.slots > kMostTenants)
    return "is damaged: it claims to have more entries than any region has";
  for (const Range& range : ranges) {
    if (!fits(range, size))
      return fmt::format("is damaged or cut off: its {} do not lie in its {} bytes", range.name,
                         size);
  }
  if (header.slots == 0) return "is damaged: it has no tenants";
  return "";
}

std::vector<NumberedSlot> copy_slots(const RegionBytes& bytes, const live::Header& header) {
  constexpr size_t kBatchBytes = 128 * 1024;  // Twice as much stays in a CPU's cache.
  const size_t stride = header.slot_bytes;
  const uint32_t count = std::min(header.used_slots, header.slots);
  const auto batch = static_cast<uint32_t>(std::max<size_t>(1, kBatchBytes / stride));
  std::vector<std::byte> earlier(batch * stride), later(batch * stride);
  std::vector<NumberedSlot> slots;
  slots.reserve(count);
  for (uint32_t first = 0; first < count; first += batch) {
    const uint32_t here = std::min(batch, count - first);
    const uint64_t at = header.slots_at + uint64_t{first} * stride;
    if (!bytes.copy(at, earlier.data(), here * stride) ||
        !bytes.copy(at, later.data(), here * stride))
      break;  // The file has become shorter.
    for (uint32_t i = 0; i < here; ++i) {
      NumberedSlot entry{first + i, {}};
      if (!join(&earlier[i * stride], &later[i * stride], entry.slot) &&
          !copy_again(bytes, at + i * stride, entry.slot))
        continue;
      if (is_used(entry.slot)) slots.push_back(entry);
    }
  }
  return slots;
}

std::vector<Tenant> tenants_of(const std::vector<NumberedSlot>& slots) {
  constexpr uint32_t kNone = UINT32_MAX;
  std::vector<Tenant> tenants;
  if (slots.empty() || slots[0].number != 0) return tenants;
  // Children of each slot as linked lists through `next`, in the order of slots. A number above all others is nobody's.
  const uint32_t most = slots.back().number + 1;
  std::vector<uint32_t> first(most, kNone), next(slots.size(), kNone);
  for (uint32_t i = static_cast<uint32_t>(slots.size()); i-- > 1;) {
    const uint32_t parent = slots[i].slot.parent;
    if (parent >= most || parent == slots[i].number) continue;
    next[i] = first[parent];
    first[parent] = i;
  }
  // Level by level from the root. Each slot has one parent, so that each is reached once at most.
  tenants.reserve(slots.size());
  tenants.push_back(tenant_of(slots[0]));
  for (uint32_t i = 0; i < tenants.size(); ++i) {
    for (uint32_t child = first[tenants[i].slot]; child != kNone; child = next[child]) {
      tenants.push_back(tenant_of(slots[child]));
      tenants.back().parent = i;
      tenants.back().depth = tenants[i].depth + 1;
    }
  }
  for (size_t i = tenants.size(); i-- > 1;) {
    Tenant& parent = tenants[tenants[i].parent];
    for (size_t kind = 0; kind < kEventKinds; ++kind)
      parent.subtree_events[kind] += tenants[i].subtree_events[kind];
  }
  return tenants;
}

int64_t realtime_of(const live::Header& header, uint64_t monotonic_us) {
  // Unsigned: what a hostile header holds wraps, and is no undefined behaviour.
  return static_cast<int64_t>((header.opened_realtime_us + (monotonic_us - header.opened_us)) *
                              uint64_t{1000});
}

void fill_in(const RegionBytes& bytes, const live::Header& header, Process& process) {
  process.mode = (header.flags & live::kRseq) != 0 ? "rseq" : "fallback";
  if ((header.flags & live::kHardened) != 0) process.mode = "hardened";
  process.version = text_of(header.library_version);
  process.answers = header.helper != 0;
  process.tenants = tenants_of(copy_slots(bytes, header));
  if ((header.flags & live::kWholeProcess) != 0) {
    for (uint32_t i = 0; i < process.tenants.size(); ++i) {
      if (process.tenants[i].slot == header.process_slot) process.whole = i;
    }
  }
  process.events = copy_events(bytes, header);
  copy_totals(bytes, header, process);
  if (process.tenants.empty()) return;
  // The counter of the root has what is charged to tenants. The process takes more: the root's own objects, free memory, mappings.
  Tenant& root = process.tenants[0];
  // A process that gives no such figure has the heap as of the last look.
  const uint64_t whole = header.process_usage != 0 ? header.process_usage : process.heap;
  root.usage = std::max(root.usage, whole);
  root.peak = std::max({root.peak, root.usage, header.process_peak});
  root.mapped = std::max(root.mapped, header.process_mapped);
}

}  // namespace tenure::tool
