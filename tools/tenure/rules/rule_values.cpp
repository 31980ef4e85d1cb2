#include "tools/tenure/rules/rule_values.h"

#include <arpa/inet.h>
#include <string.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "rules/matching/glob.h"
#include "rules/matching/path_template.h"

namespace tenure::tool {
namespace {

template <typename Number>
bool parse_number(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

bool parse_address(const std::string& text, uint8_t (&address)[16], bool& is_v4) {
  memset(address, 0, sizeof address);
  is_v4 = inet_pton(AF_INET, text.c_str(), address + 12) == 1;
  if (is_v4) address[10] = address[11] = 0xff;
  return is_v4 || inet_pton(AF_INET6, text.c_str(), address) == 1;
}

constexpr unsigned kV4Bits = 96;  // Of an IPv4 address kept as an IPv6 one, in front of it.

std::string fields_of(uint32_t kind) {
  std::string names;
  for (unsigned i = 0; i < rules::kFieldCount; ++i) {
    if ((rules::kFields[i].kinds & kind) != 0)
      names += std::string(names.empty() ? "" : " ") + "{" + rules::kFields[i].name + "}";
  }
  return names;
}

std::string check_field(const std::string& name, uint32_t kind) {
  if (kind == 0) return "a path without fields";
  const int index = rules::find_field_index(name.c_str(), name.size());
  if (index < 0 || (rules::kFields[index].kinds & kind) == 0)
    return "fields of this rule: " + fields_of(kind);
  return "";
}

}  // namespace

std::string parse_size(const std::string& text, uint64_t& bytes) {
  constexpr const char* kGood = "bytes, or \"64K\", \"256M\", \"2G\", \"1T\", or \"unlimited\"";
  if (text == "unlimited") {
    bytes = UINT64_MAX;
    return "";
  }
  constexpr std::string_view kUnits = "KMGT";
  std::string_view number = text;
  if (number.ends_with("iB")) number.remove_suffix(2);
  unsigned shift = 0;
  if (!number.empty()) {
    if (const size_t unit = kUnits.find(number.back()); unit != std::string_view::npos) {
      shift = 10 * (static_cast<unsigned>(unit) + 1);
      number.remove_suffix(1);
    } else if (number.size() != text.size()) {
      return kGood;
    }
  }
  uint64_t value = 0;
  if (!parse_number(number, value) || value > UINT64_MAX >> shift) return kGood;
  bytes = value << shift;
  return "";
}

std::string parse_policy(const std::string& text, uint8_t& policy) {
  constexpr std::string_view kNames[] = {"fail-large", "fail-all", "observe", "event", "abort"};
  const auto* const found = std::find(std::begin(kNames), std::end(kNames), text);
  if (found == std::end(kNames)) return "fail-large, fail-all, observe, event or abort";
  policy = static_cast<uint8_t>(found - std::begin(kNames));
  return "";
}

std::string parse_prefix(const std::string& text, rules::Prefix& prefix) {
  constexpr const char* kGood =
      "an address or a prefix: \"10.1.0.0/16\", \"192.168.1.7\", \"fd00::/8\"";
  const size_t slash = text.find('/');
  bool is_v4 = false;
  if (!parse_address(text.substr(0, slash), prefix.address, is_v4)) return kGood;
  const unsigned most = is_v4 ? 32 : 128;
  unsigned bits = most;
  if (slash != std::string::npos &&
      (!parse_number(std::string_view(text).substr(slash + 1), bits) || bits > most))
    return "a length of 0 to " + std::to_string(most) + " behind the address";
  prefix.bits = static_cast<uint8_t>(bits + (is_v4 ? kV4Bits : 0));
  prefix.family = rules::Family::kInet;
  return "";
}

std::string parse_listener(const std::string& text, rules::Prefix& prefix, uint32_t& port,
                           std::string& path) {
  constexpr const char* kGood = "\"127.0.0.1:6379\", \"[::1]:6379\", \"*:6379\", or a unix socket: "
                                "\"/run/service.sock\", \"@abstract\"";
  if (text.starts_with("unix:") || text.starts_with("/") || text.starts_with("@")) {
    path = text.starts_with("unix:") ? text.substr(5) : text;
    prefix.family = rules::Family::kUnix;
    size_t column = 0;
    return path.empty() ? kGood : check_glob(path, column);
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return kGood;
  if (!parse_number(std::string_view(text).substr(colon + 1), port) || port == 0 || port > 65535)
    return "a port of 1 to 65535 behind the last colon";
  std::string host = text.substr(0, colon);
  prefix.family = rules::Family::kInet;
  if (host.empty() || host == "*" || host == "0.0.0.0" || host == "[::]") return "";
  if (host.starts_with("[") && host.ends_with("]")) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string::npos) {
    return kGood;
  }
  bool is_v4 = false;
  if (!parse_address(host, prefix.address, is_v4)) return kGood;
  prefix.bits = 128;
  return "";
}

std::string check_path(const std::string& path, uint32_t kind, size_t& column) {
  column = 0;
  if (!path.starts_with("/") || path == "/")
    return "a path below the root: \"/name\" or \"/name/name\"";
  if (path.size() >= rules::kPathBytes)
    return "a path of at most " + std::to_string(rules::kPathBytes - 1) + " bytes";
  unsigned levels = 0;
  for (size_t at = 0; at < path.size(); ++levels) {
    const size_t end = std::min(path.find('/', at + 1), path.size());
    const std::string name = path.substr(at + 1, end - at - 1);
    column = at + 1;
    if (name.empty() || name == "." || name == ".." || name.size() > rules::kNameBytes - 1)
      return "names of 1 to 63 bytes that are not \".\" or \"..\", and no '/' at the end";
    for (size_t i = 0; i < name.size(); ++i) {
      column = at + 1 + i;
      if (name[i] == '}') return "'{' before the field's name";
      if (name[i] == '{') {
        const size_t close = name.find('}', i);
        if (close == std::string::npos) return "'}' behind the field's name";
        if (std::string good = check_field(name.substr(i + 1, close - i - 1), kind); !good.empty())
          return good;
        i = close;
        continue;
      }
      char one[rules::kNameBytes] = {name[i], 'x'};
      rules::clean_name(one, 2);
      if (one[0] != name[i]) return "letters, digits and . _ : @ + -";
    }
    at = end;
  }
  if (levels > rules::kMostLevels) return "at most 31 levels";
  return "";
}

std::string check_glob(const std::string& glob, size_t& column) {
  const char* const fault = rules::glob_fault(glob.c_str());
  if (fault == nullptr) return "";
  column = static_cast<size_t>(fault - glob.c_str());
  return *fault == '[' ? "']' behind the set, or '\\[' for the character itself"
                       : "a character behind the last '\\'";
}

}  // namespace tenure::tool
