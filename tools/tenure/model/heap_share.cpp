#include "tools/tenure/model/heap_share.h"

#include <fmt/core.h>

#include <iterator>

#include "tools/tenure/model/json.h"

namespace tenure::tool {
namespace {

void write_class(std::string& out, const ClassShare& entry) {
  fmt::format_to(
      std::back_inserter(out),
      "{{\"size\":{},\"live\":{},\"live_bytes\":{},\"pooled\":{},\"pooled_slabs\":{},"
      "\"slabs\":{},\"slab_bytes\":{},\"in_slabs\":{},\"in_depots\":{},\"in_fronts\":{}}}",
      entry.size, entry.live, entry.live_bytes, entry.pooled, entry.pooled_slabs, entry.slabs,
      entry.slab_bytes, entry.in_slabs, entry.in_depots, entry.in_fronts);
}

void write_holder(std::string& out, const Holder& holder) {
  out += "{\"tenant\":";
  write_quoted(out, holder.tenant);
  if (!holder.departed.empty()) {
    out += ",\"departed\":";
    write_quoted(out, holder.departed);
  }
  fmt::format_to(std::back_inserter(out), ",\"slabs\":{},\"alone\":{},\"bytes\":{},\"held\":{}}}",
                 holder.slabs, holder.alone, holder.bytes, holder.held);
}

template <typename Entries, typename Write>
void write_list(std::string& out, const Entries& entries, Write write) {
  for (const auto& entry : entries) {
    if (&entry != entries.data()) out += ",";
    write(out, entry);
  }
}

}  // namespace

void write_members(std::string& out, const HeapShare& share) {
  fmt::format_to(std::back_inserter(out), "\"isolated\":{},\"classes\":[", share.isolated);
  write_list(out, share.classes, write_class);
  fmt::format_to(std::back_inserter(out),
                 "],\"free\":{{\"slabs\":{},\"depots\":{},\"fronts\":{}}},"
                 "\"large\":{{\"objects\":{},\"bytes\":{}}},\"stocked\":{},\"unowned_slabs\":{},"
                 "\"departed\":{{\"tenants\":{},\"bytes\":{}}},\"holders\":[",
                 share.free_in_slabs, share.free_in_depots, share.free_in_fronts,
                 share.large_objects, share.large_bytes, share.stocked, share.unowned_slabs,
                 share.departed, share.departed_bytes);
  write_list(out, share.holders, write_holder);
  fmt::format_to(std::back_inserter(out), "],\"others\":{{\"tenants\":{},\"slabs\":{}}}",
                 share.other_holders, share.other_slabs);
}

}  // namespace tenure::tool
