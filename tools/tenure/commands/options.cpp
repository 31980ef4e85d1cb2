// tenure options.
#include <fmt/core.h>

#include <cctype>
#include <nlohmann/json.hpp>

#include "base/options/option_value.h"
#include "base/options/settings.h"
#include "tools/tenure/commands/commands.h"
#include "tools/tenure/commands/common.h"

namespace tenure::tool {
namespace {

std::string variable_of(const Option& option) {
  std::string name = "TENURE_";
  for (const char* p = option.name; *p; ++p)
    name += static_cast<char>(std::toupper(static_cast<unsigned char>(*p)));
  return name;
}

std::string word_for(const Option& option, int64_t value) {
  if (option.text) return option.default_text ? option.default_text : "none";
  for (const Choice* choice = option.choices; choice && choice->word; ++choice) {
    if (choice->value == value) return choice->word;
  }
  return fmt::format("{}", value);
}

// "fast, hardened" or "-1 to 3600000, or with a unit: ms, s, m, h".
std::string values_of(const Option& option) {
  LineBuffer words;
  write_good_values(words, option);
  return {words.data(), words.size()};
}

template <typename F>
void for_each_option(F f) {
  for (const Option* option = option_table; option->name; ++option) f(*option);
}

// `text` in lines of at most `width` columns.
std::vector<std::string> wrap(const std::string& text, size_t width) {
  std::vector<std::string> lines(1);
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, end - at);
    if (!lines.back().empty() && lines.back().size() + 1 + word.size() > width)
      lines.emplace_back();
    lines.back() += (lines.back().empty() ? "" : " ") + word;
    at = end + 1;
  }
  return lines;
}

void print_text() {
  for_each_option([](const Option& option) {
    fmt::print("{}  (default {}; {})\n", variable_of(option),
               word_for(option, option.default_value), values_of(option));
    for (const std::string& line : wrap(option.help, 90)) fmt::print("    {}\n", line);
  });
}

void print_json() {
  auto list = nlohmann::ordered_json::array();
  for_each_option([&](const Option& option) {
    nlohmann::ordered_json entry = {{"name", option.name}, {"variable", variable_of(option)}};
    if (option.text && option.default_text) {
      entry["default"] = option.default_text;
    } else if (option.choices) {
      entry["default"] = word_for(option, option.default_value);
      for (const Choice* choice = option.choices; choice->word; ++choice)
        entry["choices"].push_back(choice->word);
    } else if (option.text) {
      entry["default"] = "";
    } else {
      entry["default"] = option.default_value;
      entry["smallest"] = option.smallest;
      entry["largest"] = option.largest;
    }
    entry["help"] = option.help;
    list.push_back(entry);
  });
  fmt::print("{}\n", list.dump(2));
}

void print_markdown() {
  fmt::print("# Options\n"
             "\n"
             "Options are environment variables, read once, at the first allocation of the "
             "process. A value that is not\n"
             "valid is reported in one line on standard error, and the default is used. So is a "
             "variable whose name begins\n"
             "with `TENURE_` and is no option's, with the nearest name. A number counts what the "
             "option's name ends with, or\n"
             "has a unit of its own behind it: `TENURE_DECAY_MS=2s`, `TENURE_RSS_LIMIT_MIB=2G`. "
             "Programs that run with raised\n"
             "privileges (set-user-ID and the like) get the defaults. `tenure run` has flags for "
             "the usual ones; see\n"
             "[tuning](tuning.md) for when to change which.\n"
             "\n"
             "| variable | values | default | meaning |\n"
             "|---|---|---|---|\n");
  for_each_option([](const Option& option) {
    fmt::print("| `{}` | {} | {} | {} |\n", variable_of(option), values_of(option),
               word_for(option, option.default_value), option.help);
  });
  fmt::print("\n"
             "One setting belongs to glibc: `GLIBC_TUNABLES=glibc.pthread.rseq=0` keeps it from "
             "registering threads for\n"
             "restartable sequences. Tenure then [registers them](rseq.md#areas-of-our-own) "
             "itself. `tenure run --fallback` turns both off.\n"
             "\n"
             "This page is the output of `tenure options --markdown`.\n");
}

}  // namespace

void add_options(CLI::App& app, Action& action) {
  Command command(app, "options", "Print the options of the library (TENURE_* variables)",
                  "  tenure options\n"
                  "  tenure options --json | jq -r '.[].variable'");
  static bool json, markdown;
  command.json(json);
  command.flag("--markdown", markdown, "As a page of the documentation", "--json");
  command.runs(action, [] {
    json ? print_json() : markdown ? print_markdown() : print_text();
    return 0;
  });
}

}  // namespace tenure::tool
