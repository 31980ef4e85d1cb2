// The commands of the tool. Each adds its part of the command line to the application, and stores as the action what is to be done
// if it is chosen; the action returns the exit status.
#pragma once

#include <string>

#include "tools/tenure/commands/command.h"
#include "tools/tenure/model/failure.h"

namespace tenure::tool {

void add_ps(CLI::App& app, Action& action);
void add_ls(CLI::App& app, Action& action);
void add_stat(CLI::App& app, Action& action);
void add_top(CLI::App& app, Action& action);
void add_set(CLI::App& app, Action& action);
void add_reclaim(CLI::App& app, Action& action);
void add_trim(CLI::App& app, Action& action);
void add_events(CLI::App& app, Action& action);
void add_explain(CLI::App& app, Action& action);
void add_doctor(CLI::App& app, Action& action);
void add_export(CLI::App& app, Action& action);
void add_record(CLI::App& app, Action& action);
void add_options(CLI::App& app, Action& action);
void add_classes(CLI::App& app, Action& action);

// `tenure run` takes another program's command line, which begins with the mark "--" or with the program's name. `mark` and `end`
// are what CLI11 did not get to see.
class RunCommand {
public:
  explicit RunCommand(CLI::App& app);
  bool is_chosen() const;
  // Replaces the process by the program with the library preloaded. Returns only where that fails.
  int run(char** mark, char** end);

private:
  struct Request {
    std::string rules;    // A rule file.
    std::string library;  // Path given with --lib; empty: to be found.
    bool hardened = false;
    bool huge_pages = false;
    bool fallback = false;
    bool cgroup = false;
    bool live = true;
    std::string max, high, policy, name, mapped;  // Empty: not given, as below.
    std::string decay_ms;
    std::string rss_limit_mib;
    std::string helper;
    std::string stats;  // "exit" or "json".
  };
  void add_limits();
  void preload_and_set();

  CLI::App& command_;
  Request request_;
};

}  // namespace tenure::tool
