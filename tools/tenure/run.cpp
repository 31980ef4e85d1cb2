// tenure run.
#include <errno.h>
#include <fmt/core.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <filesystem>
#include <vector>

#include "base/option_value.h"
#include "base/settings.h"
#include "tools/tenure/commands.h"
#include "tools/tenure/executable.h"
#include "tools/tenure/rule_share.h"

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

// libtenure_rules.so lies beside libtenure.so, and is preloaded before it: what it wraps, libtenure.so wraps below.
void preload_rules(const std::string& library, const std::string& file) {
  const CompiledRules compiled = compile_good_rules(file);
  const std::string rules = fs::path(library).parent_path() / "libtenure_rules.so";
  if (access(rules.c_str(), R_OK) != 0) throw Failure(rules + ": " + strerror(errno));
  preload(rules);
  set("TENURE_RULES", make_rule_share(compiled));
}

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

}  // namespace

int run_program(const RunRequest& request) {
  if (request.program.empty()) throw Failure("run: which program? See tenure run --help");
  const std::string library =
      request.library.empty() ? find_library() : given_library(request.library);
  preload(library);
  if (!request.rules.empty()) preload_rules(library, request.rules);
  if (request.hardened) set_option("check", "TENURE_CHECK", "hardened");
  if (request.huge_pages) set_option("huge_pages", "TENURE_HUGE_PAGES", "on");
  if (!request.decay_ms.empty()) set_option("decay_ms", "TENURE_DECAY_MS", request.decay_ms);
  if (!request.rss_limit_mib.empty())
    set_option("rss_limit_mib", "TENURE_RSS_LIMIT_MIB", request.rss_limit_mib);
  if (request.cgroup) set_option("cgroup", "TENURE_CGROUP", "on");
  if (!request.helper.empty()) set_option("helper", "TENURE_HELPER", request.helper);
  if (!request.stats.empty())
    set_option("stats", "TENURE_STATS", request.stats == "json" ? "json" : "exit");
  if (request.fallback) set_option("rseq", "TENURE_RSEQ", "off");
  // glibc need not register either. Behind: of two settings of a tunable the later one counts.
  if (request.fallback) add_to_list("GLIBC_TUNABLES", "glibc.pthread.rseq=0", Place::kBehind);

  // LD_PRELOAD stays set, for what this program starts.
  if (const std::string why = why_not_preloaded(find_executable(request.program[0])); !why.empty())
    fmt::print(stderr, "tenure: {}: the library is not loaded\n", why);

  std::vector<char*> arguments;
  for (const std::string& argument : request.program)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  execvp(arguments[0], arguments.data());
  const int error = errno;
  fmt::print(stderr, "tenure: {}: {}\n", request.program[0], strerror(error));
  return error == ENOENT ? kExitNotFound : kExitCannotRun;
}

}  // namespace tenure::tool
