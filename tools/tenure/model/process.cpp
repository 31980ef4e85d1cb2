#include "tools/tenure/model/process.h"

#include <algorithm>

namespace tenure::tool {

const char* policy_name(uint32_t policy) {
  return policy < kPolicyNames.size() ? kPolicyNames[policy] : "?";
}

int policy_number(std::string_view word) {
  const auto* const found = std::find(kPolicyNames.begin(), kPolicyNames.end(), word);
  return found == kPolicyNames.end() ? -1 : static_cast<int>(found - kPolicyNames.begin());
}

std::string path_of(const Process& process, size_t index) {
  std::string path;
  for (; process.tenants[index].parent != kNoParent; index = process.tenants[index].parent)
    path = "/" + process.tenants[index].name + path;
  return path.empty() ? "/" : path;
}

std::vector<std::string> paths_of(const Process& process) {
  std::vector<std::string> paths;
  paths.reserve(process.tenants.size());
  for (const Tenant& tenant : process.tenants) {
    if (tenant.parent == kNoParent) {
      paths.emplace_back("/");
    } else {
      const std::string& parent = paths[tenant.parent];
      paths.push_back((parent == "/" ? "" : parent) + "/" + tenant.name);
    }
  }
  return paths;
}

int64_t find_tenant(const Process& process, std::string_view path) {
  if (path == "/") return process.tenants.empty() ? -1 : 0;
  // From the last to the first: of two with one name the one that is on its way out was there before.
  for (size_t i = process.tenants.size(); i-- > 0;) {
    const Tenant& tenant = process.tenants[i];
    const size_t start = path.rfind('/') + 1;
    if (tenant.online && path.substr(start) == tenant.name && path_of(process, i) == path)
      return static_cast<int64_t>(i);
  }
  // The root of a process with a name of its own.
  const bool is_root = !process.tenants.empty() && !process.tenants[0].name.empty() &&
                       path == "/" + process.tenants[0].name;
  return is_root ? 0 : -1;
}

std::vector<size_t> preorder(const Process& process, bool (*before)(const Tenant&, const Tenant&)) {
  const size_t count = process.tenants.size();
  std::vector<size_t> first(count + 1), children(count), order;
  size_t roots = 0;
  // Counting sort by parent: the children of i are children[first[i]..first[i + 1]).
  for (const Tenant& tenant : process.tenants) {
    if (tenant.parent == kNoParent)
      ++roots;
    else
      ++first[tenant.parent + 1];
  }
  for (size_t i = 0; i < count; ++i) first[i + 1] += first[i];
  std::vector<size_t> next(first.begin(), first.end() - 1);
  std::vector<size_t> stack;
  for (size_t i = 0; i < count; ++i) {
    const uint32_t parent = process.tenants[i].parent;
    if (parent == kNoParent)
      stack.push_back(i);
    else
      children[next[parent]++] = i;
  }
  const auto less = [&](size_t a, size_t b) {
    return before(process.tenants[a], process.tenants[b]);
  };
  std::reverse(stack.begin(), stack.end());
  order.reserve(count);
  while (!stack.empty()) {
    const size_t index = stack.back();
    stack.pop_back();
    order.push_back(index);
    const auto begin = children.begin() + static_cast<int64_t>(first[index]);
    const auto end = children.begin() + static_cast<int64_t>(first[index + 1]);
    std::stable_sort(begin, end, less);
    stack.insert(stack.end(), std::make_reverse_iterator(end), std::make_reverse_iterator(begin));
  }
  return order;
}

int64_t nearest_limit(const Process& process, size_t index) {
  int64_t nearest = -1;
  uint64_t least = kUnlimited;
  for (uint32_t i = static_cast<uint32_t>(index); i != kNoParent; i = process.tenants[i].parent) {
    const Tenant& tenant = process.tenants[i];
    if (tenant.max == kUnlimited) continue;
    const uint64_t room = tenant.max > tenant.usage ? tenant.max - tenant.usage : 0;
    if (nearest >= 0 && room >= least) continue;
    least = room;
    nearest = i;
  }
  return nearest;
}

uint64_t total_events(const Process& process, size_t kind) {
  return process.tenants.empty() ? 0 : process.tenants[0].subtree_events[kind];
}

}  // namespace tenure::tool
