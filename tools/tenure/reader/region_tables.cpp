#include "tools/tenure/reader/region_tables.h"

#include <fmt/core.h>

#include <algorithm>
#include <unordered_map>

namespace tenure::tool {
namespace {

constexpr int kMostLevels = 33;  // Of the tree, the root included.

// Copies entry `number` of a ring whose entries begin with their sequence: number + 1, or 0 while they are written.
template <typename Entry>
bool copy_entry(const RegionBytes& bytes, uint64_t at, uint32_t stride, uint32_t entries,
                uint64_t number, Entry& entry) {
  const uint64_t place = at + number % entries * stride;
  uint64_t before = 0, after = 0;
  return bytes.copy(place, &before, sizeof before) && before == number + 1 &&
         bytes.copy(place, &entry, sizeof entry) && bytes.copy(place, &after, sizeof after) &&
         after == before;
}

const char* kind_name(uint32_t kind) {
  switch (static_cast<live::EventKind>(kind)) {
  case live::EventKind::kFailed:
    return "failed";
  case live::EventKind::kCreated:
    return "created";
  case live::EventKind::kWent:
    return "offline";
  case live::EventKind::kReport:
    return "report";
  case live::EventKind::kServed:
    return "served";
  default:
    return kind < kEventKinds ? kEventNames[kind] : "?";
  }
}

std::string words_for(const live::Event& event) {
  const std::string usage = format_bytes(event.usage), limit = format_bytes(event.limit);
  switch (static_cast<live::EventKind>(event.kind)) {
  case live::EventKind::kLow:
    return fmt::format("reclaim took memory below low {}: usage {}", limit, usage);
  case live::EventKind::kHigh:
    return fmt::format("usage {} above high {}", usage, limit);
  case live::EventKind::kMax:
    return fmt::format("{} more met max {}: usage {}", format_bytes(event.bytes), limit, usage);
  case live::EventKind::kOverdraw:
    return fmt::format("{} granted above max {}: usage {}", format_bytes(event.bytes), limit,
                       usage);
  case live::EventKind::kAbort:
    return fmt::format("the policy ends the process: usage {}, max {}", usage, limit);
  case live::EventKind::kFailed:
    return fmt::format("a request for {} was refused: usage {}, max {}", format_bytes(event.bytes),
                       usage, limit);
  case live::EventKind::kReport:
    return fmt::format("report {} of a refused request", event.argument);
  case live::EventKind::kServed:
    return fmt::format("a request from outside was served (kind {})", event.bytes);
  default:
    return "";
  }
}

// The path of the tenant in this slot, also of one that has gone, as long as its slot is not used again; or "".
std::string path_at(const RegionBytes& bytes, const live::Header& header, uint32_t slot,
                    uint32_t generation) {
  std::string path;
  for (int level = 0; level < kMostLevels; ++level) {
    live::TenantSlot tenant;
    const uint64_t at = header.slots_at + uint64_t{slot} * header.slot_bytes;
    uint32_t after = 0;
    if (slot >= header.slots || !bytes.copy(at, &tenant, sizeof tenant) ||
        !bytes.copy(at + offsetof(live::TenantSlot, generation), &after, sizeof after))
      return "";
    if (tenant.generation != after || (level == 0 && after != generation)) return "";
    if (slot == 0) return path.empty() ? "/" : path;
    path = "/" + text_of(tenant.name) + path;
    slot = tenant.parent;
  }
  return "";
}

}  // namespace

std::vector<Event> copy_events(const RegionBytes& bytes, const live::Header& header) {
  std::vector<Event> events;
  const uint64_t written = header.events_written;
  const uint64_t count = std::min<uint64_t>(written, header.event_entries);
  std::unordered_map<uint64_t, std::string> paths;  // By slot and generation.
  for (uint64_t number = written - count; number < written; ++number) {
    live::Event entry;
    if (!copy_entry(bytes, header.events_at, header.event_bytes, header.event_entries, number,
                    entry))
      continue;
    std::string& path = paths[uint64_t{entry.slot} << 32 | entry.generation];
    if (path.empty()) path = path_at(bytes, header, entry.slot, entry.generation);
    if (path.empty()) path = fmt::format("(gone: id {})", entry.id);
    events.push_back({entry.sequence, realtime_of(header, entry.time_us), kind_name(entry.kind),
                      path, words_for(entry), entry.argument});
  }
  return events;
}

void copy_totals(const RegionBytes& bytes, const live::Header& header, Process& process) {
  live::LevelTotals totals;
  if (!bytes.copy(header.totals_at, &totals, sizeof totals) || totals.looked_us == 0) return;
  process.heap = totals.slab_bytes + totals.large_bytes;
  process.looked_at_ns = realtime_of(header, totals.looked_us);
  process.totals = {{"allocated", totals.allocated_bytes}, {"cached", totals.cached_bytes},
                    {"fronts", totals.front_bytes},        {"slabs", totals.slab_bytes},
                    {"large", totals.large_bytes},         {"untouched", totals.untouched_bytes},
                    {"dirty", totals.dirty_bytes},         {"committed", totals.committed_bytes},
                    {"reserved", totals.reserved_bytes},   {"meta", totals.meta_bytes}};
  const auto count = std::min<uint64_t>(totals.classes, header.classes);
  for (uint64_t i = 0; i < count; ++i) {
    live::ClassTotals entry;
    if (!bytes.copy(header.classes_at + i * header.class_bytes, &entry, sizeof entry)) return;
    const uint64_t cached = entry.in_slabs + entry.in_depot + entry.in_fronts;
    process.classes.push_back({entry.object_bytes, entry.slabs, entry.slab_bytes,
                               entry.carved - std::min(entry.carved, cached), entry.in_slabs,
                               entry.in_depot, entry.in_fronts});
  }
}

std::string copy_report(const RegionBytes& bytes, const live::Header& header, uint64_t number) {
  live::Report report;
  if (header.reports == 0 ||
      !copy_entry(bytes, header.reports_at, header.report_bytes, header.reports, number, report))
    return "";
  std::string text;
  // Line by line: a report has several.
  const std::string all(report.text, std::min<size_t>(report.length, sizeof report.text));
  for (size_t at = 0; at < all.size();) {
    const size_t end = std::min(all.find('\n', at), all.size());
    text += text_of(all.data() + at, end - at) + "\n";
    at = end + 1;
  }
  return text;
}

}  // namespace tenure::tool
