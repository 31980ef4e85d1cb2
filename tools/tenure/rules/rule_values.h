// The values of rule files, as text. Each function returns what is right, or "" where the value is good.
#pragma once

#include <cstdint>
#include <string>

#include "rules/matching/table.h"

namespace tenure::tool {

// "256M": bytes.
std::string parse_size(const std::string& text, uint64_t& bytes);
std::string parse_policy(const std::string& text, uint8_t& policy);
// "10.1.0.0/16", "::1"
std::string parse_prefix(const std::string& text, rules::Prefix& prefix);
// "127.0.0.1:80", "[::1]:80", ":80", "*:80"; "unix:/path", "/path", "@abstract": then `path` is the glob.
std::string parse_listener(const std::string& text, rules::Prefix& prefix, uint32_t& port,
                           std::string& path);
// `column` is where the fault is, from 0. Fields, if `kind` is not 0, of the rules of that kind.
std::string check_path(const std::string& path, uint32_t kind, size_t& column);
std::string check_glob(const std::string& glob, size_t& column);

}  // namespace tenure::tool
