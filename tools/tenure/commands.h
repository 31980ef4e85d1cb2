// The commands of the tool. Each is told what the command line says and returns the exit status.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

namespace tenure::tool {

// As env(1): our own failure, a program that cannot be started, a program that is not there.
constexpr int kExitFailure = 125;
constexpr int kExitCannotRun = 126;
constexpr int kExitNotFound = 127;

// Ends the tool with its text on standard error and kExitFailure.
struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

enum class Format { kText, kJson, kMarkdown };

struct RunRequest {
  std::string library;  // Path given with --lib; empty: to be found.
  bool hardened = false;
  bool huge_pages = false;
  bool fallback = false;
  bool cgroup = false;
  std::string decay_ms;  // Empty: not given, as below.
  std::string rss_limit_mib;
  std::string helper;
  std::string stats;                 // "exit" or "json".
  std::string rules;                 // A rule file.
  std::vector<std::string> program;  // With its arguments.
};

// Replaces the process by the program with the library preloaded. Returns only where that fails.
int run_program(const RunRequest& request);

// The option table: text, JSON, or docs/options.md.
int print_options(Format format);

// The size classes with the slabs they get; `slab_kib` as the option of that name, empty for its default.
int print_classes(Format format, const std::string& slab_kib);

}  // namespace tenure::tool
