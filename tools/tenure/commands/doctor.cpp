// tenure doctor.
#include <fmt/core.h>

#include <charconv>

#include "tools/tenure/commands/commands.h"
#include "tools/tenure/commands/common.h"
#include "tools/tenure/reader/checkup.h"

namespace tenure::tool {
namespace {

const char* word_for(Finding::Level level) {
  switch (level) {
  case Finding::Level::kGood:
    return "ok";
  case Finding::Level::kNote:
    return "note";
  default:
    return "problem";
  }
}

void print_text(const std::vector<Finding>& findings) {
  for (const Finding& finding : findings) {
    fmt::print("{:<8} {:<12} {}\n", word_for(finding.level), finding.topic, finding.text);
    if (!finding.remedy.empty()) fmt::print("{:<8} {:<12} -> {}\n", "", "", finding.remedy);
  }
}

void print_json(const std::vector<Finding>& findings) {
  Text out;
  fmt::format_to(std::back_inserter(out), "[");
  for (const Finding& finding : findings) {
    fmt::format_to(std::back_inserter(out),
                   "{}{{\"level\":\"{}\",\"topic\":", &finding == findings.data() ? "" : ",\n ",
                   word_for(finding.level));
    write_quoted(out, finding.topic);
    fmt::format_to(std::back_inserter(out), ",\"text\":");
    write_quoted(out, finding.text);
    fmt::format_to(std::back_inserter(out), ",\"remedy\":");
    write_quoted(out, finding.remedy);
    fmt::format_to(std::back_inserter(out), "}}");
  }
  fmt::format_to(std::back_inserter(out), "]\n");
  print(out);
}

int examine(const std::string& which, bool json) {
  std::vector<Finding> findings;
  if (which.empty()) {
    findings = examine_machine();
  } else {
    int pid = 0;
    const auto [end, error] = std::from_chars(which.data(), which.data() + which.size(), pid);
    // By number also what does not run under Tenure: to say why not.
    if (error != std::errc() || end != which.data() + which.size())
      pid = find_process(which).process->pid;
    findings = examine_process(pid);
  }
  json ? print_json(findings) : print_text(findings);
  for (const Finding& finding : findings) {
    if (finding.level == Finding::Level::kProblem) return kExitFindings;
  }
  return 0;
}

}  // namespace

void add_doctor(CLI::App& app, Action& action) {
  Command command(app, "doctor", "Look for what keeps Tenure from working well, with remedies",
                  "  tenure doctor             # the machine\n"
                  "  tenure doctor 4711        # a process: is the library really in it?\n"
                  "\n"
                  "Exit status 1 where there is a problem.");
  static std::string process;
  static bool json;
  command.process(process, Presence::kOptional);
  command.json(json);
  command.runs(action, [] { return examine(process, json); });
}

}  // namespace tenure::tool
