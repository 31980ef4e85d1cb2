// tenure run.
#include <errno.h>
#include <fmt/core.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

#include "base/options/option_value.h"
#include "base/options/settings.h"
#include "tools/tenure/commands/commands.h"
#include "tools/tenure/commands/words.h"
#include "tools/tenure/model/bytes.h"
#include "tools/tenure/reader/executable.h"
#include "tools/tenure/rules/rule_share.h"

namespace fs = std::filesystem;

namespace tenure::tool {
namespace {

// Beside the tool in a build tree or an installation, wherever that was moved to; then where it was installed.
std::string find_library() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  std::vector<fs::path> folders;
  if (!error) {
    const fs::path here = self.parent_path();
    folders = {here / TENURE_LIBDIR_FROM_TOOL, here / ".." / "lib", here};
  }
  folders.emplace_back(TENURE_LIBDIR);
  for (const fs::path& folder : folders) {
    // The plain name is part of a development package only.
    for (const char* name : {"libtenure.so", TENURE_SONAME}) {
      const fs::path file = fs::weakly_canonical(folder, error) / name;
      if (!error && access(file.c_str(), R_OK) == 0) return file;
    }
  }
  std::string tried;
  for (const fs::path& folder : folders) tried += " " + folder.lexically_normal().string();
  throw Failure("libtenure.so is not to be found in" + tried + "; name it with --lib");
}

std::string given_library(const std::string& path) {
  if (access(path.c_str(), R_OK) != 0) throw Failure(path + ": " + strerror(errno));
  if (!is_tenure_library(path)) throw Failure(path + ": this is no library of Tenure");
  // The program may start in another directory than this one, or start others elsewhere.
  return fs::absolute(path).lexically_normal();
}

void set(const char* name, const std::string& value) {
  if (setenv(name, value.c_str(), 1) != 0) throw Failure(std::string("setenv: ") + strerror(errno));
}

// Puts `value` before or behind what the variable holds.
enum class Place { kBefore, kBehind };
void add_to_list(const char* name, const std::string& value, Place place) {
  const char* const present = getenv(name);
  if (present == nullptr || *present == '\0') {
    set(name, value);
  } else {
    set(name, place == Place::kBefore ? value + ":" + present : std::string(present) + ":" + value);
  }
}

void preload(const std::string& library) {
  if (library.find_first_of(" :") != std::string::npos) {
    throw Failure(library + ": LD_PRELOAD can hold no path with a blank or a colon");
  }
  add_to_list("LD_PRELOAD", library, Place::kBefore);  // The first malloc is the one that counts.
}

// libtenure_rules.so lies beside libtenure.so, and is preloaded before it: libtenure.so serves the calls that it wraps.
void preload_rules(const std::string& library, const std::string& file) {
  const CompiledRules compiled = compile_good_rules(file);
  const std::string rules = fs::path(library).parent_path() / "libtenure_rules.so";
  if (access(rules.c_str(), R_OK) != 0) throw Failure(rules + ": " + strerror(errno));
  preload(rules);
  set("TENURE_RULES", make_rule_share(compiled));
}

// Checks the value as the library will.
void set_option(const char* name, const char* variable, const std::string& value) {
  for (const Option* option = option_table; option->name; ++option) {
    if (strcmp(option->name, name) != 0) continue;
    Settings ignored{};
    if (!parse_option(*option, value.c_str(), ignored)) {
      LineBuffer good;
      write_good_values(good, *option);
      throw Failure(fmt::format("{}: bad value '{}'; good: {}", name, value,
                                std::string(good.data(), good.size())));
    }
  }
  set(variable, value);
}

// Also "1.5G", which the library does not read, and "max".
void set_limit(const char* name, const char* variable, const std::string& value) {
  const auto bytes = parse_bytes(value);
  if (!bytes || (*bytes == 0 && value != "0"))
    throw Failure(
        fmt::format("{}: bad value '{}'; good: a number of bytes up to {}, with a unit K, M, G, T",
                    name, value, format_bytes(kMostBytes)));
  set_option(name, variable, *bytes == kUnlimited ? "0" : std::to_string(*bytes));
}

// CLI11 2.1 cannot be told a usage line, and its own does not know of the program.
class RunFormatter : public CLI::Formatter {
public:
  std::string make_usage(const CLI::App*, std::string) const override {
    return "Usage: tenure run [OPTIONS] [--] PROGRAM [ARGUMENTS...]\n";
  }
  std::string make_option_name(const CLI::Option* option, bool is_positional) const override {
    if (option->check_lname("stats")) return "--stats[=json]";
    if (option->check_lname("live")) return "--live, --no-live";
    return CLI::Formatter::make_option_name(option, is_positional);
  }
};

std::string is_stats_format(const std::string& word) {
  return word == "text" || word == "json" ? ""
                                          : "there is no format " + word + ", only text and json";
}

// The flag that was meant, where one is near: "; did you mean --decay-ms?"
std::string hint(const CLI::App& run, std::string_view given) {
  const std::string_view name = given.substr(0, given.find('='));
  std::string nearest;
  size_t least = SIZE_MAX;
  for (const CLI::Option* option : run.get_options()) {
    for (const std::string& word : option->get_lnames()) {
      const std::string flag = "--" + word;
      // A beginning is as near as one wrong letter.
      const size_t changes = name.size() > 3 && flag.starts_with(name) ? 1 : distance(name, flag);
      if (changes >= least) continue;
      least = changes;
      nearest = flag;
    }
  }
  return least <= 1 + name.size() / 4 ? "; did you mean " + nearest + "?" : "";
}

// The program with its arguments, out of what lies before the first "--" and was no option of ours, and what lies behind it.
std::vector<std::string> program_line(const CLI::App& run, char** mark, char** end) {
  std::vector<std::string> before = run.remaining();
  if (!before.empty()) {
    if (before.front().starts_with('-'))
      throw Failure("run: there is no option " + before.front() + hint(run, before.front()));
    before.insert(before.end(), mark, end);  // The mark is the program's own.
  } else if (mark != end) {
    before.assign(mark + 1, end);
  }
  return before;
}

constexpr char kFooter[] =
    "Examples:\n"
    "  tenure run -- redis-server --port 7000\n"
    "  tenure run --max 2G --high 1.8G -- python3 service.py\n"
    "  tenure run --max 512M --policy abort --name worker -- ./worker\n"
    "  tenure run --stats --no-live -- make\n"
    "\n"
    "Options become environment variables, so that programs started by PROGRAM get them too, each "
    "with limits of its own;\n"
    "'tenure options' lists those that have no flag here. A LD_PRELOAD that is set already is "
    "kept.\n"
    "\n"
    "Exit status: the program's; 125 if tenure itself fails, 126 if PROGRAM cannot be run,\n"
    "127 if it is not found.";

}  // namespace

RunCommand::RunCommand(CLI::App& app)
    : command_(*app.add_subcommand("run", "Run a program with its malloc replaced by Tenure")) {
  command_.formatter(std::make_shared<RunFormatter>());
  add_limits();
  command_.add_flag("--live,!--no-live", request_.live,
                    "Show tenants to tenure ps, ls, top and the like (default)");
  command_.add_flag("--hardened", request_.hardened,
                    "Find every double free, encode free lists, clear freed memory");
  command_
      .add_option("--decay-ms", request_.decay_ms,
                  "Return unused pages after so many milliseconds; 0: at once, -1: never")
      ->type_name("MS");
  command_.add_flag("--huge-pages", request_.huge_pages,
                    "Ask the kernel for transparent huge pages");
  command_
      .add_option("--rss-limit", request_.rss_limit_mib,
                  "Return free memory and run shrinkers where the heap is larger than so many MiB")
      ->type_name("MIB");
  command_.add_flag("--cgroup", request_.cgroup,
                    "The same by the limits and the memory pressure of the program's cgroup");
  command_
      .add_option(
          "--helper", request_.helper,
          "A thread that returns idle memory: auto (where the program has threads), on, off")
      ->type_name("MODE");
  command_
      .add_flag("--stats{text}", request_.stats,
                "Print statistics on standard error at exit, as text or as JSON")
      ->check(is_stats_format);
  command_
      .add_option(
          "--rules", request_.rules,
          "Put threads, connections and processes into tenants by this file; see tenure-rules(5)")
      ->type_name("FILE");
  command_.add_flag("--fallback", request_.fallback, "Do without restartable sequences");
  command_
      .add_option("--lib", request_.library,
                  "The library to preload, instead of the one that belongs to this tool")
      ->type_name("PATH");
  // Where the program's name stands, its own command line begins.
  command_.prefix_command();
  command_.footer(kFooter);
}

void RunCommand::add_limits() {
  command_
      .add_option("--max", request_.max,
                  "The whole program's limit: beyond it requests and mappings fail")
      ->type_name("BYTES");
  command_
      .add_option("--high", request_.high,
                  "Bytes above which the program gives back what it caches; nothing fails")
      ->type_name("BYTES");
  command_
      .add_option("--policy", request_.policy,
                  "At max: fail-large (default), fail-all, observe, event, abort")
      ->type_name("POLICY");
  command_
      .add_option(
          "--mapped", request_.mapped,
          "Count memory that the program maps itself: auto (where there is a limit), on, off")
      ->type_name("MODE");
  command_
      .add_option("--name", request_.name,
                  "The program's tenant is called /NAME (default: as the program)")
      ->type_name("NAME");
}

bool RunCommand::is_chosen() const { return command_.parsed(); }

void RunCommand::preload_and_set() {
  // An empty value is a bad value: a limit out of a variable that is not set must not be none.
  const auto is_given = [this](const char* flag) { return command_.count(flag) != 0; };
  const std::string library =
      request_.library.empty() ? find_library() : given_library(request_.library);
  preload(library);
  if (!request_.rules.empty()) preload_rules(library, request_.rules);
  if (is_given("--max")) set_limit("max", "TENURE_MAX", request_.max);
  if (is_given("--high")) set_limit("high", "TENURE_HIGH", request_.high);
  if (is_given("--policy")) set_option("policy", "TENURE_POLICY", request_.policy);
  if (is_given("--mapped")) set_option("mapped", "TENURE_MAPPED", request_.mapped);
  if (is_given("--name")) set_option("name", "TENURE_NAME", request_.name);
  if (!request_.live) {
    set_option("live", "TENURE_LIVE", "off");
  } else if (getenv("TENURE_LIVE") == nullptr) {  // A folder may be given there.
    set_option("live", "TENURE_LIVE", "on");
  }
  if (request_.hardened) set_option("check", "TENURE_CHECK", "hardened");
  if (request_.huge_pages) set_option("huge_pages", "TENURE_HUGE_PAGES", "on");
  if (!request_.decay_ms.empty()) set_option("decay_ms", "TENURE_DECAY_MS", request_.decay_ms);
  if (!request_.rss_limit_mib.empty())
    set_option("rss_limit_mib", "TENURE_RSS_LIMIT_MIB", request_.rss_limit_mib);
  if (request_.cgroup) set_option("cgroup", "TENURE_CGROUP", "on");
  if (!request_.helper.empty()) set_option("helper", "TENURE_HELPER", request_.helper);
  if (!request_.stats.empty())
    set_option("stats", "TENURE_STATS", request_.stats == "json" ? "json" : "exit");
  if (request_.fallback) set_option("rseq", "TENURE_RSEQ", "off");
  // glibc need not register either. Behind: of two settings of a tunable the later one counts.
  if (request_.fallback) add_to_list("GLIBC_TUNABLES", "glibc.pthread.rseq=0", Place::kBehind);
}

int RunCommand::run(char** mark, char** end) {
  const std::vector<std::string> program = program_line(command_, mark, end);
  if (program.empty()) throw Failure("run: which program? See tenure run --help");
  preload_and_set();

  // LD_PRELOAD stays set, for what this program starts.
  if (const std::string why = why_not_preloaded(find_executable(program[0])); !why.empty())
    fmt::print(stderr, "tenure: {}: the library is not loaded\n", why);

  std::vector<char*> arguments;
  for (const std::string& argument : program)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  execvp(arguments[0], arguments.data());
  const int error = errno;
  fmt::print(stderr, "tenure: {}: {}\n", program[0], strerror(error));
  return error == ENOENT ? kExitNotFound : kExitCannotRun;
}

}  // namespace tenure::tool
