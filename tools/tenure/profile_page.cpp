// The report: one page of HTML that asks for nothing from outside.
#include <map>
#include <nlohmann/json.hpp>

#include "tools/tenure/profile_output.h"
#include "tools/tenure/profile_page.h"
#include "tools/tenure/symbols.h"

namespace tenure::tool {

// Names of functions once, stacks as their numbers.
std::string html_of(const Profile& profile) {
  Symbols symbols(profile);
  std::map<std::string, size_t> numbers;
  auto names = nlohmann::json::array();
  auto rows = nlohmann::json::array();
  for (const ProfileRow& row : profile.rows) {
    auto stack = nlohmann::json::array();
    for (const std::string& call : symbols.calls(row)) {
      const auto [found, fresh] = numbers.try_emplace(call, names.size());
      if (fresh) names.push_back(call);
      stack.push_back(found->second);
    }
    rows.push_back({row.tenant, row.thread, row.size, row.live_bytes, row.live_objects,
                    row.allocated_bytes, row.allocated_objects, row.oldest_ms, stack});
  }
  const nlohmann::json data = {{"time", profile.time},
                               {"mean", profile.mean},
                               {"lost", profile.lost},
                               {"names", names},
                               {"rows", rows}};
  std::string text = data.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  // What would end the script, in a name.
  for (size_t at = 0; (at = text.find('<', at)) != std::string::npos; at += 6)
    text.replace(at, 1, "\\u003c");
  return kPageStart + text + kPageEnd;
}

}  // namespace tenure::tool
