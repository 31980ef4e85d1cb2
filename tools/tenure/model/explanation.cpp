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

Explanation explain_tenant(const Process& process, size_t index) {
  Explanation explanation;
  const Tenant& tenant = process.tenants[index];
  add_children(process, index, explanation);
  uint64_t below = 0;
  for (const Part& part : explanation.parts) below += part.bytes;
  explanation.parts.push_back({"own live objects", tenant.own, ""});
  explanation.parts.push_back({"own free objects", tenant.cached, "cached for reuse"});
  explanation.parts.push_back({"left by departed tenants", tenant.dead, ""});
  explanation.parts.push_back({"mapped by the program", tenant.mapped, ""});
  const uint64_t known = below + tenant.own + tenant.cached + tenant.dead + tenant.mapped;
  const uint64_t rest = tenant.usage > known ? tenant.usage - known : 0;
  explanation.parts.push_back(
      {"the rest", rest, "room in its slabs, charges in advance, changes since the last look"});
  if (tenant.meta != 0)
    explanation.parts.push_back({"(structures)", tenant.meta, "the allocator's; not charged"});
  add_sentences(process, index, rest, explanation);
  return explanation;
}

}  // namespace tenure::tool
