#include "tools/tenure/profile_commands.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>

#include "tools/tenure/commands.h"
#include "tools/tenure/pprof.h"
#include "tools/tenure/profile_output.h"
#include "tools/tenure/profile_snapshot.h"

namespace tenure::tool {
namespace {

constexpr const char* kFormats[] = {"text", "pprof", "collapsed", "json", "html"};

// By the file's name, where none is given.
std::string format_for(const std::string& given, const std::string& output) {
  if (!given.empty()) return given;
  const auto ends = [&output](const char* end) { return output.ends_with(end); };
  return ends(".pb.gz") || ends(".pprof") ? "pprof"
         : ends(".collapsed")             ? "collapsed"
         : ends(".json")                  ? "json"
         : ends(".html")                  ? "html"
                                          : "text";
}

std::string rendered(const Profile& profile, const std::string& format) {
  if (format == "pprof") return gzip(pprof_of(profile));
  if (format == "collapsed") return collapsed_of(profile);
  if (format == "json") return json_of(profile);
  if (format == "html") return html_of(profile);
  return text_of(profile);
}

// All of it or nothing: what was there before stays until the new file is whole.
void write_file(const std::string& file, const std::string& text) {
  const std::string fresh = file + ".new";
  std::ofstream stream(fresh, std::ios::binary | std::ios::trunc);
  stream << text;
  stream.close();
  if (!stream || std::rename(fresh.c_str(), file.c_str()) != 0) {
    std::remove(fresh.c_str());
    throw Failure("profile: " + file + " cannot be written");
  }
}

}  // namespace

ProfileCommands::ProfileCommands(CLI::App& app) {
  const auto add_output = [this](CLI::App* command) {
    command->add_option("-o,--output", output_, "The file to write; standard output if not given")
        ->type_name("FILE");
    command
        ->add_option(
            "--format", format_,
            "text, pprof, collapsed, json or html; by the name of FILE (.pb.gz, .collapsed, "
            ".json, .html) if not given")
        ->type_name("FORMAT")
        ->check([](const std::string& word) {
          for (const char* each : kFormats)
            if (word == each) return std::string();
          return "there is no format " + word;
        });
    command->add_option("--tenant", tenant_, "Only the tenant with this path and those below it")
        ->type_name("PATH");
  };
  CLI::App* const profile = app.add_subcommand("profile", "Read heap profiles");
  profile->require_subcommand(1);
  convert_ = profile->add_subcommand(
      "convert",
      "Make a pprof profile, stacks, JSON or a page of a snapshot that the library wrote");
  convert_->add_option("SNAPSHOT", file_, "What tenure_profile_dump() or TENURE_PROFILE wrote")
      ->required();
  add_output(convert_);

  CLI::App* const heap = app.add_subcommand("heap", "Compare heap profiles");
  heap->require_subcommand(1);
  diff_ = heap->add_subcommand("diff", "What came between two snapshots");
  diff_->add_option("BEFORE", file_, "The earlier snapshot")->required();
  diff_->add_option("AFTER", later_, "The later snapshot")->required();
  add_output(diff_);

  leaks_ = app.add_subcommand("leaks", "What departed tenants left behind, by site");
  leaks_->add_option("SNAPSHOT", file_, "What tenure_profile_dump() or TENURE_PROFILE wrote")
      ->required();
}

bool ProfileCommands::parsed() const {
  return convert_->parsed() || diff_->parsed() || leaks_->parsed();
}

int ProfileCommands::run() const {
  Profile profile = estimate(read_snapshot(file_), tenant_);
  if (diff_->parsed()) profile = difference(profile, estimate(read_snapshot(later_), tenant_));
  const std::string text =
      leaks_->parsed() ? leaks_of(profile) : rendered(profile, format_for(format_, output_));
  if (output_.empty() || output_ == "-") {
    std::fwrite(text.data(), 1, text.size(), stdout);
  } else {
    write_file(output_, text);
  }
  return 0;
}

}  // namespace tenure::tool
