#include "tools/tenure/model/explanation.h"

#include <fmt/core.h>

#include <algorithm>

namespace tenure::tool {
namespace {

double share(uint64_t part, uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

// The largest of those directly below.
void add_children(const Process& process, size_t index, Explanation& explanation) {
  constexpr size_t kMostNamed = 8;
  std::vector<size_t> children;
  for (size_t i = index + 1; i < process.tenants.size(); ++i) {
    if (process.tenants[i].parent == index) children.push_back(i);
  }
  const size_t named = std::min(kMostNamed, children.size());
  std::partial_sort(
      children.begin(), children.begin() + static_cast<int64_t>(named), children.end(),
      [&](size_t a, size_t b) { return process.tenants[a].usage > process.tenants[b].usage; });
  for (size_t i = 0; i < named; ++i) {
    const Tenant& child = process.tenants[children[i]];
    explanation.parts.push_back({"below: /" + child.name, child.usage,
                                 child.max == kUnlimited ? "" : "max " + format_bytes(child.max)});
  }
  uint64_t rest = 0;
  for (size_t i = named; i < children.size(); ++i) rest += process.tenants[children[i]].usage;
  if (children.size() > named)
    explanation.parts.push_back(
        {fmt::format("below: {} others", children.size() - named), rest, ""});
}

void add_sentences(const Process& process, size_t index, uint64_t free_room,
                   Explanation& explanation) {
  const Tenant& tenant = process.tenants[index];
  auto& say = explanation.sentences;
  const int64_t limit = nearest_limit(process, index);
  if (limit >= 0) {
    const Tenant& holder = process.tenants[static_cast<size_t>(limit)];
    const uint64_t room = holder.max > holder.usage ? holder.max - holder.usage : 0;
    say.push_back(fmt::format("The nearest limit is the max of {}, {}: {} are left.",
                              path_of(process, static_cast<size_t>(limit)),
                              format_bytes(holder.max), format_bytes(room)));
  } else {
    say.emplace_back("No limit holds it: neither it nor an ancestor has a max.");
  }
  if (tenant.failures != 0)
    say.push_back(fmt::format("{} requests were refused because of its max.", tenant.failures));
  if (share(tenant.cached, tenant.usage) > 0.25)
    say.push_back(fmt::format("{} of it are free objects that are kept for reuse: 'tenure reclaim' "
                              "gives them back, and so does the limit when it is met.",
                              format_bytes(tenant.cached)));
  if (share(tenant.dead, tenant.usage) > 0.1)
    say.push_back(fmt::format("{} are what departed tenants left here and somebody has not freed.",
                              format_bytes(tenant.dead)));
  if (process.looked_at_ns != 0 && share(free_room, tenant.usage) > 0.25)
    say.push_back(fmt::format("{} are room in slabs that hold some live objects: fragmentation, as "
                              "of many objects freed beside some that live on.",
                              format_bytes(free_room)));
  if (tenant.some.average[0] >= 100)
    say.push_back(fmt::format("Its threads waited for memory in {}% of the last ten seconds.",
                              format_share(tenant.some.average[0])));
}

}  // namespace

// Bytes of a level out of the totals of the process.
uint64_t total(const Process& process, const char* name) {
  const auto found = std::find_if(process.totals.begin(), process.totals.end(),
                                  [name](const Total& entry) { return entry.name == name; });
  return found == process.totals.end() ? 0 : found->bytes;
}

struct HeapParts {
  uint64_t charged;     // Sum of the parts that are charged.
  uint64_t fragmented;  // Room in slabs that hold live objects, where that is known.
};

// The parts that only the process itself can tell.
HeapParts add_share(const Process& process, size_t index, const HeapShare& share,
                    Explanation& explanation) {
  uint64_t own_live = 0, pooled_live = 0, pooled_slabs = 0, slabs = 0, slab_bytes = 0;
  for (const ClassShare& entry : share.classes) {
    const uint64_t size = entry.live == 0 ? 0 : entry.live_bytes / entry.live;
    const uint64_t pooled = std::min(entry.pooled * size, entry.live_bytes);
    own_live += entry.live_bytes - pooled;
    pooled_live += pooled;
    pooled_slabs += entry.pooled_slabs;
    slabs += entry.slabs;
    slab_bytes += entry.slab_bytes;
  }
  const uint64_t free = share.free_in_fronts + share.free_in_depots + share.free_in_slabs;
  const uint64_t room = slab_bytes > own_live + free ? slab_bytes - own_live - free : 0;
  // The root pays for its slabs, and so does an isolated tenant. Other tenants pay for objects, and for the free ones at CPUs.
  const bool pays_for_slabs = index == 0 || share.isolated;
  uint64_t sum = 0;
  const auto add = [&](const char* name, uint64_t bytes, const std::string& remark, bool charged) {
    if (bytes == 0) return;
    if (charged)
      explanation.parts.push_back({name, bytes, remark});
    else
      explanation.parts.push_back({fmt::format("({})", name), bytes, remark + "; not charged"});
    if (charged) sum += bytes;
  };
  add("objects in slabs of its own", own_live, fmt::format("{} slabs", slabs), true);
  add("objects in shared slabs", pooled_live, fmt::format("in {} slabs", pooled_slabs), true);
  add("large objects", share.large_bytes, fmt::format("{} objects", share.large_objects), true);
  add("free objects at CPUs", share.free_in_fronts, "cached for reuse", true);
  add("free objects in depots", share.free_in_depots, "cached for reuse", pays_for_slabs);
  add("free objects in its slabs", share.free_in_slabs, "fragmentation", pays_for_slabs);
  add("room in its slabs", room, "never used so far, and behind the last object", pays_for_slabs);
  add("charged in advance", share.stocked, "ready at CPUs for its next objects", index != 0);
  if (index == 0) {
    const uint64_t cached = process.tenants[0].cached;
    add("free objects of shared slabs", cached > free ? cached - free : 0, "of all tenants", true);
    add("free pages", total(process, "dirty"), "kept for reuse, until the decay", true);
  }
  return {sum, share.free_in_slabs + room};
}

// The parts as of the last look.
HeapParts add_last_look(const Process& process, const Tenant& tenant, Explanation& explanation) {
  if (process.looked_at_ns == 0) return {0, 0};
  explanation.parts.push_back({"own live objects", tenant.own, ""});
  explanation.parts.push_back({"own free objects", tenant.cached, "cached for reuse"});
  return {tenant.own + tenant.cached, 0};
}

Explanation explain_tenant(const Process& process, size_t index, const HeapShare* share) {
  Explanation explanation;
  const Tenant& tenant = process.tenants[index];
  add_children(process, index, explanation);
  uint64_t below = 0;
  for (const Part& part : explanation.parts) below += part.bytes;
  const HeapParts heap = share ? add_share(process, index, *share, explanation)
                               : add_last_look(process, tenant, explanation);
  const bool looked = share != nullptr || process.looked_at_ns != 0;
  if (looked) explanation.parts.push_back({"left by departed tenants", tenant.dead, ""});
  explanation.parts.push_back({"mapped by the program", tenant.mapped, ""});
  const uint64_t known = below + heap.charged + tenant.dead + tenant.mapped;
  const uint64_t rest = tenant.usage > known ? tenant.usage - known : 0;
  explanation.parts.push_back(
      {"the rest", rest,
       share    ? "changes during the look"
       : looked ? "room in its slabs, charges in advance, changes since the last look"
                : "objects and charges in advance; the process has not looked at its heap yet"});
  if (tenant.meta != 0)
    explanation.parts.push_back({"(structures)", tenant.meta, "the allocator's; not charged"});
  add_sentences(process, index, share ? heap.fragmented : rest, explanation);
  return explanation;
}

}  // namespace tenure::tool
