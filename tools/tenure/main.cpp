// tenure: runs programs under the library, and shows and changes what goes on in them.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>

#include "tools/tenure/commands/commands.h"
#include "tools/tenure/profile/profile_commands.h"
#include "tools/tenure/rules/rules_commands.h"

namespace tenure::tool {
namespace {

constexpr char kFooter[] =
    "Examples:\n"
    "  tenure run --max 2G -- redis-server     # the whole program holds to 2 GiB\n"
    "  tenure ps                               # which processes show their tenants\n"
    "  tenure top                              # all of them, live\n"
    "  tenure ls redis-server                  # one, as a tree\n"
    "  tenure set 4711 '/shop/*' max=512M      # at run time\n"
    "  tenure export --listen 127.0.0.1:9464   # for Prometheus\n"
    "\n"
    "'tenure COMMAND --help' has more. Exit status: 0; 1: doctor has found a problem; 2: no such "
    "process or tenant; 3: another\n"
    "user's; 4: a region that is damaged or of another version; 5: the process refused, or did not "
    "answer; 125: a bad\n"
    "command line, or tenure itself fails; of 'run' see there.";

// The commands in the order of --help.
void add_commands(CLI::App& app, Action& action) {
  for (auto* const add :
       {add_ps, add_ls, add_stat, add_top, add_set, add_reclaim, add_trim, add_events, add_explain,
        add_doctor, add_export, add_record, add_options, add_classes})
    add(app, action);
}

int dispatch(int argc, char** argv) {
  // CLI11 does not leave alone what stands behind "--" of a subcommand, so it does not get to see it.
  char** const end = argv + argc;
  char** const mark = argc > 1 && std::string_view(argv[1]) == "run"
                          ? std::find(argv + 2, end, std::string_view("--"))
                          : end;
  CLI::App app{"Tenure: a lock-free, per-CPU malloc with tenants"};
  app.name("tenure");
  app.set_version_flag("--version", "tenure " TENURE_VERSION);
  app.require_subcommand(0, 1);
  app.failure_message([](const CLI::App*, const CLI::Error& error) {
    return std::string("tenure: ") + error.what() + "; see tenure --help\n";
  });
  app.footer(kFooter);

  RunCommand run(app);
  Action action;
  add_commands(app, action);
  ProfileCommands profile(app);
  RulesRequest rules;
  add_rules(app, rules);
  try {
    app.parse(static_cast<int>(mark - argv), argv);
  } catch (const CLI::ParseError& error) {
    // Also how --help and --version end; CLI11's own numbers would collide with the program's status.
    return app.exit(error) == 0 ? 0 : kExitFailure;
  }
  if (run.is_chosen()) return run.run(mark, end);
  if (profile.parsed()) return profile.run();
  if (rules.app->parsed()) return run_rules(rules);
  if (!action) throw Failure("which command? See tenure --help");
  return action();
}

int run_tool(int argc, char** argv) {
  try {
    const int status = dispatch(argc, argv);
    // What could not be written (a full disk, a closed pipe) must not pass for success.
    return std::fflush(stdout) == 0 ? status : kExitFailure;
  } catch (const Failure& failure) {
    std::fflush(stdout);
    std::fprintf(stderr, "tenure: %s\n", failure.what());
    return failure.status;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tenure: %s\n", error.what());
    return kExitFailure;
  }
}

}  // namespace
}  // namespace tenure::tool

int main(int argc, char** argv) { return tenure::tool::run_tool(argc, argv); }
