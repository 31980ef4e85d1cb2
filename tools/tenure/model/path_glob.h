// Which tenants a pattern on the command line means.
#pragma once

#include <string>
#include <string_view>

namespace tenure::tool {

// Whether the path matches: '*', '?' and [sets] within one name, "**" for any number of names, as in "/shop/*", "/**/cache", "/**".
bool matches(std::string_view pattern, std::string_view path);
// Whether the text has a character that makes it a pattern.
bool is_pattern(std::string_view text);
// "shop/acme/" as "/shop/acme"; "" as "/".
std::string normal_path(std::string_view path);

}  // namespace tenure::tool
