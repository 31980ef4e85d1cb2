// tenure: runs programs under the library and shows what it is made of.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/tenure/commands.h"
#include "tools/tenure/profile_commands.h"
#include "tools/tenure/rules_commands.h"

namespace tenure::tool {
namespace {

// CLI11 2.1 cannot be told a usage line, and its own does not know of the program.
class RunFormatter : public CLI::Formatter {
public:
  std::string make_usage(const CLI::App*, std::string) const override {
    return "Usage: tenure run [OPTIONS] [--] PROGRAM [ARGUMENTS...]\n";
  }
  std::string make_option_name(const CLI::Option* option, bool is_positional) const override {
    return option->check_lname("stats") ? "--stats[=json]"
                                        : CLI::Formatter::make_option_name(option, is_positional);
  }
};

std::string is_stats_format(const std::string& word) {
  return word == "text" || word == "json" ? ""
                                          : "there is no format " + word + ", only text and json";
}

void add_run(CLI::App& app, RunRequest& request) {
  CLI::App* run = app.add_subcommand("run", "Run a program with its malloc replaced by Tenure");
  run->formatter(std::make_shared<RunFormatter>());
  run->add_flag("--hardened", request.hardened,
                "Find every double free, encode free lists, clear freed memory");
  run->add_option("--decay-ms", request.decay_ms,
                  "Return unused pages after so many milliseconds; 0: at once, -1: never")
      ->type_name("MS");
  run->add_flag("--huge-pages", request.huge_pages, "Ask the kernel for transparent huge pages");
  run->add_option("--rss-limit", request.rss_limit_mib,
                  "Return free memory and run shrinkers where the heap is larger than so many MiB")
      ->type_name("MIB");
  run->add_flag("--cgroup", request.cgroup,
                "The same by the limits and the memory pressure of the program's cgroup");
  run->add_option(
         "--helper", request.helper,
         "A thread that returns idle memory: auto (where the program has threads), on, off")
      ->type_name("MODE");
  run->add_flag("--stats{text}", request.stats,
                "Print statistics on standard error at exit, as text or as JSON")
      ->check(is_stats_format);
  run->add_flag("--fallback", request.fallback, "Do without restartable sequences");
  run->add_option(
         "--rules", request.rules,
         "Put threads, connections and processes into tenants by this file; see tenure-rules(5)")
      ->type_name("FILE");
  run->add_option("--lib", request.library,
                  "The library to preload, instead of the one that belongs to this tool")
      ->type_name("PATH");
  // Where the program's name stands, its own command line begins.
  run->prefix_command();
  run->footer(
      "Options become environment variables, so that programs started by PROGRAM get them too;\n"
      "'tenure options' lists those that have no flag here. A LD_PRELOAD that is set already is "
      "kept.\n"
      "\n"
      "Exit status: the program's; 125 if tenure itself fails, 126 if PROGRAM cannot be run,\n"
      "127 if it is not found.");
}

// How many letters have to be changed, added or left out (Levenshtein).
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i);
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t changed = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({changed, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
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

int dispatch(int argc, char** argv) {
  // CLI11 does not leave alone what stands behind "--" of a subcommand, so it does not get to see it.
  char** const end = argv + argc;
  char** const mark = argc > 1 && std::string_view(argv[1]) == "run"
                          ? std::find(argv + 2, end, std::string_view("--"))
                          : end;
  CLI::App app{"Tenure: a lock-free, per-CPU malloc"};
  app.name("tenure");
  app.set_version_flag("--version", "tenure " TENURE_VERSION);
  app.require_subcommand(0, 1);
  app.failure_message([](const CLI::App*, const CLI::Error& error) {
    return fmt::format("tenure: {}; see tenure --help\n", error.what());
  });

  RunRequest request;
  add_run(app, request);
  RulesRequest rules;
  add_rules(app, rules);

  bool json = false, markdown = false;
  CLI::App* options =
      app.add_subcommand("options", "Print the options of the library (TENURE_* variables)");
  CLI::Option* options_json = options->add_flag("--json", json, "As JSON");
  options->add_flag("--markdown", markdown, "As a page of the documentation")
      ->excludes(options_json);

  std::string slab_kib;
  CLI::App* classes =
      app.add_subcommand("classes", "Print the size classes, their slabs and what these waste");
  classes->add_flag("--json", json, "As JSON");
  classes->add_option("--slab-kib", slab_kib, "Smallest slab, as the option slab_kib")
      ->type_name("KIB");

  ProfileCommands profile(app);

  try {
    app.parse(static_cast<int>(mark - argv), argv);
  } catch (const CLI::ParseError& error) {
    // Also how --help and --version end; CLI11's own numbers would collide with the program's status.
    return app.exit(error) == 0 ? 0 : kExitFailure;
  }

  if (options->parsed()) {
    return print_options(json ? Format::kJson : markdown ? Format::kMarkdown : Format::kText);
  }
  if (classes->parsed()) return print_classes(json ? Format::kJson : Format::kText, slab_kib);

  if (profile.parsed()) return profile.run();

  if (rules.app->parsed()) return run_rules(rules);
  const CLI::App* const run = app.get_subcommand("run");
  if (!run->parsed()) throw Failure("which command? See tenure --help");
  request.program = program_line(*run, mark, end);
  return run_program(request);
}

}  // namespace
}  // namespace tenure::tool

int main(int argc, char** argv) {
  try {
    const int status = tenure::tool::dispatch(argc, argv);
    // What could not be written (a full disk, a closed pipe) must not pass for success.
    return std::fflush(stdout) == 0 ? status : tenure::tool::kExitFailure;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tenure: %s\n", error.what());
    return tenure::tool::kExitFailure;
  }
}
