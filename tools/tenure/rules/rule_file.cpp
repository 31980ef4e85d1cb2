#include "tools/tenure/rules/rule_file.h"

#include <errno.h>
#include <fmt/core.h>
#include <string.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <string_view>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "tools/tenure/model/failure.h"
#include "tools/tenure/rules/rule_values.h"

namespace tenure::tool {
namespace {

using rules::Limits;
using rules::RuleRecord;
using rules::TenantRecord;

constexpr const char* kLimitNames[rules::kLimitKinds] = {"min", "low", "high", "max", "reserve"};
constexpr const char* kLimitKeys = "min, low, high, max, reserve, policy, isolated";
constexpr const char* kThreadKeys[] = {"thread", "library", "symbol"};
constexpr const char* kConnectionKeys[] = {"listen", "peer", "peer_uid", "peer_process"};

class Compiler {
public:
  void compile(const toml::table& file);
  CompiledRules finish();

private:
  void complain(const toml::source_position& at, std::string text, size_t columns = 0) {
    result_.problems.push_back(
        {at.line, at.column + static_cast<uint32_t>(columns), std::move(text)});
  }
  // At a place inside the string, whose quotation mark is one column.
  void complain_in(const toml::node& node, size_t column, const std::string& wrong,
                   const std::string& good) {
    complain(node.source().begin, fmt::format("{}; good: {}", wrong, good), column + 1);
  }

  bool read_string(const char* key, const toml::node& node, std::string& text);
  void read_glob(const char* key, const toml::node& node, uint32_t& offset);
  void read_number(const char* key, const toml::node& node, uint64_t least, uint64_t most,
                   uint32_t& number);
  void read_size(const char* key, const toml::node& node, uint64_t& bytes);
  bool read_limit(std::string_view key, const toml::node& node, Limits& limits);
  void read_tenants(const toml::node& node);
  void read_rules(const toml::node& node);
  void read_rule(const toml::table& table);
  void read_condition(const toml::key& name, const toml::node& node, RuleRecord& rule);
  void read_tenant(const toml::table& table, RuleRecord& rule);
  uint32_t kind_of(const toml::table& table);
  void warn_of_order(const toml::table& table, const Limits& limits);

  uint32_t keep(const std::string& text) {
    if (const auto found = offsets_.find(text); found != offsets_.end()) return found->second;
    const auto offset = static_cast<uint32_t>(strings_.size());
    strings_ += text;
    strings_ += '\0';
    return offsets_[text] = offset;
  }

  CompiledRules result_;
  std::vector<TenantRecord> tenants_;
  std::vector<RuleRecord> rules_;
  std::string strings_ = std::string(1, '\0');
  std::map<std::string, uint32_t> offsets_ = {{"", 0}};
};

const char* type_of(const toml::node& node) {
  return node.is_string()            ? "a string"
         : node.is_integer()         ? "a number"
         : node.is_floating_point()  ? "a number with a point"
         : node.is_boolean()         ? "true or false"
         : node.is_table()           ? "a table"
         : node.is_array_of_tables() ? "tables in double brackets"
         : node.is_array()           ? "an array"
                                     : "a date or time";
}

bool Compiler::read_string(const char* key, const toml::node& node, std::string& text) {
  if (const auto* const string = node.as_string()) {
    text = string->get();
    if (text.find('\0') != std::string::npos || text.empty()) {
      complain(node.source().begin,
               fmt::format("{}: an empty string or a 0 byte; good: text", key));
      return false;
    }
    return true;
  }
  complain(node.source().begin, fmt::format("{}: {}; good: a string", key, type_of(node)));
  return false;
}

void Compiler::read_glob(const char* key, const toml::node& node, uint32_t& offset) {
  std::string text;
  if (!read_string(key, node, text)) return;
  size_t column = 0;
  if (const std::string good = check_glob(text, column); !good.empty())
    return complain_in(node, column, fmt::format("{}: bad pattern", key), good);
  offset = keep(text);
}

void Compiler::read_number(const char* key, const toml::node& node, uint64_t least, uint64_t most,
                           uint32_t& number) {
  const auto* const value = node.as_integer();
  if (value == nullptr || value->get() < static_cast<int64_t>(least) ||
      value->get() > static_cast<int64_t>(most))
    return complain(node.source().begin,
                    fmt::format("{}: good: a number from {} to {}", key, least, most));
  number = static_cast<uint32_t>(value->get());
}

void Compiler::read_size(const char* key, const toml::node& node, uint64_t& bytes) {
  std::string good;
  if (const auto* const number = node.as_integer(); number != nullptr && number->get() >= 0) {
    bytes = static_cast<uint64_t>(number->get());
  } else {
    const auto* const text = node.as_string();
    good = parse_size(text ? text->get() : "", bytes);
  }
  if (!good.empty())
    complain(node.source().begin, fmt::format("{}: bad size; good: {}", key, good));
}

// Whether the key is one of those that tenants have.
bool Compiler::read_limit(std::string_view key, const toml::node& node, Limits& limits) {
  for (unsigned i = 0; i < rules::kLimitKinds; ++i) {
    if (key != kLimitNames[i]) continue;
    read_size(kLimitNames[i], node, limits.bytes[i]);
    limits.given = static_cast<uint8_t>(limits.given | 1u << i);
    return true;
  }
  if (key == "policy") {
    std::string text;
    if (!read_string("policy", node, text)) return true;
    if (const std::string good = parse_policy(text, limits.policy); !good.empty())
      complain(node.source().begin,
               fmt::format("policy: there is no policy {}; good: {}", text, good));
    return true;
  }
  if (key == "isolated") {
    if (const auto* const flag = node.as_boolean()) {
      limits.isolated = flag->get() ? 1 : 0;
    } else {
      complain(node.source().begin,
               fmt::format("isolated: {}; good: true or false", type_of(node)));
    }
    return true;
  }
  return false;
}

void Compiler::warn_of_order(const toml::table& table, const Limits& limits) {
  const auto has = [&](unsigned i) { return (limits.given & 1u << i) != 0; };
  constexpr unsigned kOrder[][2] = {{0, 3}, {1, 3}, {2, 3}};
  for (const auto& [lower, upper] : kOrder) {
    if (!has(lower) || !has(upper) || limits.bytes[lower] <= limits.bytes[upper]) continue;
    complain(table.get(kLimitNames[lower])->source().begin,
             fmt::format("{}: above {}; good: at most {} bytes", kLimitNames[lower],
                         kLimitNames[upper], limits.bytes[upper]));
  }
}

void Compiler::read_tenants(const toml::node& node) {
  const toml::table* const table = node.as_table();
  if (table == nullptr)
    return complain(node.source().begin,
                    fmt::format("tenant: {}; good: [tenant.\"/path\"]", type_of(node)));
  for (const auto& [key, value] : *table) {
    const std::string path(key.str());
    size_t column = 0;
    if (const std::string good = check_path(path, 0, column); !good.empty()) {
      // A key with a '/' is quoted.
      complain(key.source().begin, fmt::format("tenant {}: bad path; good: {}", path, good),
               column + (path.starts_with("/") ? 1 : 0));
      continue;
    }
    const toml::table* const own = value.as_table();
    if (own == nullptr) {
      complain(value.source().begin,
               fmt::format("tenant {}: {}; good: a table", path, type_of(value)));
      continue;
    }
    TenantRecord record{};
    record.path = keep(path);
    record.limits.policy = rules::kNoPolicy;
    for (const auto& [name, setting] : *own) {
      if (!read_limit(name.str(), setting, record.limits))
        complain(name.source().begin,
                 fmt::format("there is no key {} of a tenant; good: {}", name.str(), kLimitKeys));
    }
    warn_of_order(*own, record.limits);
    tenants_.push_back(record);
  }
}

template <size_t kCount>
const char* first_of(const char* const (&keys)[kCount], const toml::table& table) {
  for (const char* const key : keys) {
    if (table.contains(key)) return key;
  }
  return nullptr;
}

uint32_t Compiler::kind_of(const toml::table& table) {
  const char* const thread = first_of(kThreadKeys, table);
  const char* const connection = first_of(kConnectionKeys, table);
  if (thread != nullptr && connection != nullptr) {
    complain(table.get(connection)->source().begin,
             fmt::format("{} beside {}; good: two rules, one on threads and one on connections",
                         connection, thread));
    return 0;
  }
  if (thread != nullptr) return rules::kThreadRule;
  if (connection != nullptr) return rules::kConnectionRule;
  if (table.contains("process") || table.contains("command")) return rules::kProcessRule;
  complain(table.source().begin, "a rule without a condition; good: one of thread, library, "
                                 "symbol, process, command, listen, peer, peer_uid, "
                                 "peer_process");
  return 0;
}

void Compiler::read_condition(const toml::key& name, const toml::node& node, RuleRecord& rule) {
  const std::string_view key = name.str();
  std::string text;
  if (key == "thread") return read_glob("thread", node, rule.thread);
  if (key == "library") return read_glob("library", node, rule.library);
  if (key == "symbol") return read_glob("symbol", node, rule.symbol);
  if (key == "process") return read_glob("process", node, rule.process);
  if (key == "command") return read_glob("command", node, rule.command);
  if (key == "peer_process") return read_glob("peer_process", node, rule.peer_process);
  if (key == "cap") return read_number("cap", node, 1, rules::kMostCap, rule.cap);
  if (key == "peer_uid") {
    rule.has_peer_uid = 1;
    return read_number("peer_uid", node, 0, UINT32_MAX, rule.peer_uid);
  }
  if (key == "peer" && read_string("peer", node, text)) {
    if (const std::string good = parse_prefix(text, rule.peer); !good.empty())
      complain(node.source().begin, fmt::format("peer: {} is no address; good: {}", text, good));
  } else if (key == "listen" && read_string("listen", node, text)) {
    std::string path;
    if (const std::string good = parse_listener(text, rule.listen, rule.listen_port, path);
        !good.empty())
      complain(node.source().begin, fmt::format("listen: {} is no listener; good: {}", text, good));
    rule.listen_path = keep(path);
  } else if (key != "peer" && key != "listen" && key != "tenant" &&
             !read_limit(key, node, rule.limits)) {
    complain(name.source().begin, fmt::format("there is no key {} of a rule; good: tenant, thread, "
                                              "library, symbol, process, command, listen, "
                                              "peer, peer_uid, peer_process, cap, {}",
                                              key, kLimitKeys));
  }
}

void Compiler::read_tenant(const toml::table& table, RuleRecord& rule) {
  const toml::node* const node = table.get("tenant");
  if (node == nullptr)
    return complain(table.source().begin, "a rule without a tenant; good: tenant = \"/path\"");
  std::string path;
  if (!read_string("tenant", *node, path)) return;
  size_t column = 0;
  if (const std::string good = check_path(path, rule.kind, column); !good.empty())
    return complain_in(*node, column, "tenant: bad path", good);
  rule.tenant = keep(path);
}

void Compiler::read_rule(const toml::table& table) {
  RuleRecord rule{};
  rule.cap = rules::kDefaultCap;
  rule.limits.policy = rules::kNoPolicy;
  rule.kind = kind_of(table);
  for (const auto& [key, value] : table) read_condition(key, value, rule);
  if (rule.kind != 0) read_tenant(table, rule);
  warn_of_order(table, rule.limits);
  rules_.push_back(rule);
  result_.lines.push_back(table.source().begin.line);
}

void Compiler::read_rules(const toml::node& node) {
  const toml::array* const list = node.as_array();
  if (list == nullptr || !node.is_array_of_tables())
    return complain(node.source().begin, fmt::format("rule: {}; good: [[rule]]", type_of(node)));
  for (const toml::node& one : *list) read_rule(*one.as_table());
}

void Compiler::compile(const toml::table& file) {
  for (const auto& [key, value] : file) {
    if (key == "tenant") {
      read_tenants(value);
    } else if (key == "rule") {
      read_rules(value);
    } else {
      complain(key.source().begin,
               fmt::format("there is no {}; good: [tenant.\"/path\"] and [[rule]]", key.str()));
    }
  }
  if (rules_.size() > rules::kMostRules || tenants_.size() > rules::kMostTenants)
    complain({1, 1}, fmt::format("too many; good: at most {} rules and {} tenants",
                                 rules::kMostRules, rules::kMostTenants));
}

CompiledRules Compiler::finish() {
  const size_t bytes = sizeof(rules::Header) + tenants_.size() * sizeof(TenantRecord) +
                       rules_.size() * sizeof(RuleRecord) + strings_.size();
  if (result_.problems.empty() && bytes > rules::kImageBytes)
    complain({1, 1}, "too much text; good: at most 1 MiB in all");
  // In the order of the file, which tables do not keep.
  std::stable_sort(result_.problems.begin(), result_.problems.end(),
                   [](const Problem& a, const Problem& b) {
                     return a.line != b.line ? a.line < b.line : a.column < b.column;
                   });
  if (!result_.problems.empty()) return std::move(result_);
  rules::Header header{};
  memcpy(header.magic, rules::kMagic, sizeof header.magic);
  header.bytes = static_cast<uint32_t>(bytes);
  header.tenants = static_cast<uint32_t>(tenants_.size());
  header.rules = static_cast<uint32_t>(rules_.size());
  header.strings = static_cast<uint32_t>(strings_.size());
  result_.image.resize((bytes + 7) / 8);
  char* to = reinterpret_cast<char*>(result_.image.data());
  const auto append = [&to](const void* from, size_t size) {
    if (size != 0) memcpy(to, from, size);
    to += size;
  };
  append(&header, sizeof header);
  append(tenants_.data(), tenants_.size() * sizeof(TenantRecord));
  append(rules_.data(), rules_.size() * sizeof(RuleRecord));
  append(strings_.data(), strings_.size());
  return std::move(result_);
}

}  // namespace

CompiledRules compile_rules(const std::string& file) {
  errno = 0;
  std::ifstream stream(file, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(stream)), {});
  // A folder can be opened, and not read.
  if (!stream.is_open() || stream.bad() || (text.empty() && errno != 0))
    throw Failure(fmt::format("{}: {}", file, strerror(errno != 0 ? errno : EIO)));
  const toml::parse_result parsed = toml::parse(text, file);
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    CompiledRules result;
    result.problems.push_back({error.source().begin.line, error.source().begin.column,
                               "no TOML: " + std::string(error.description())});
    return result;
  }
  Compiler compiler;
  compiler.compile(parsed.table());
  return compiler.finish();
}

CompiledRules compile_good_rules(const std::string& file) {
  CompiledRules compiled = compile_rules(file);
  if (!compiled.problems.empty()) throw Failure(to_text(file, compiled.problems.front()));
  return compiled;
}

std::string to_text(const std::string& file, const Problem& problem) {
  return fmt::format("{}:{}:{}: {}", file, problem.line, problem.column, problem.text);
}

}  // namespace tenure::tool
