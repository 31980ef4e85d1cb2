#include "tools/tenure/profile/profile_commands.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tools/tenure/commands/common.h"
#include "tools/tenure/model/bytes.h"
#include "tools/tenure/model/failure.h"
#include "tools/tenure/profile/live_profile.h"
#include "tools/tenure/profile/pprof.h"
#include "tools/tenure/profile/profile_output.h"
#include "tools/tenure/profile/profile_snapshot.h"

namespace tenure::tool {
namespace {

constexpr const char* kFormats[] = {"text", "pprof", "collapsed", "json", "html"};

// By the file's name, where none is given.
std::string format_for(const std::string& given, const std::string& output, const char* otherwise) {
  if (!given.empty()) return given;
  const auto ends = [&output](const char* end) { return output.ends_with(end); };
  return ends(".pb.gz") || ends(".pprof") ? "pprof"
         : ends(".collapsed")             ? "collapsed"
         : ends(".json")                  ? "json"
         : ends(".html")                  ? "html"
                                          : otherwise;
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

void ProfileCommands::add_output(CLI::App* command) {
  command->add_option("-o,--output", output_, "The file to write; - for standard output")
      ->type_name("FILE");
  command
      ->add_option("--format", format_,
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
}

void ProfileCommands::add_process(CLI::App* command) {
  command->add_option("PID", process_, "Number or name of a process under Tenure")
      ->type_name("PID");
  command->add_option("--timeout", timeout_, "Wait no longer for an answer (default 10s)")
      ->type_name("TIME");
}

ProfileCommands::ProfileCommands(CLI::App& app) {
  constexpr char kMean[] = "Sample one allocation in so many bytes on average (default 512K)";
  profile_ = app.add_subcommand("profile", "Say which code of a process allocates, for whom");
  profile_->require_subcommand(0, 1);
  add_process(profile_);
  profile_->add_option("--seconds", seconds_, "Sample for so long (default 10)")->type_name("TIME");
  profile_->add_option("--mean", mean_, kMean)->type_name("BYTES");
  add_output(profile_);
  profile_->footer(
      "Examples:\n"
      "  tenure profile 4711 --seconds 30 -o heap.pb.gz     # go tool pprof -http=: heap.pb.gz\n"
      "  tenure profile 4711 --tenant /shop/acme -o acme.html\n"
      "  tenure profile start 4711; sleep 3600; tenure profile 4711 -o hour.pb.gz\n\n"
      "Without -o, a pprof profile in tenure.PID.pb.gz. A process that samples already "
      "(TENURE_PROFILE, profile start) goes on\nsampling, and is asked at once unless --seconds is "
      "given. SIGINT ends the wait.");
  start_ = profile_->add_subcommand("start", "Begin sampling in a process");
  add_process(start_);
  start_->add_option("--mean", mean_, kMean)->type_name("BYTES");
  start_->get_option("PID")->required();
  stop_ = profile_->add_subcommand("stop", "End sampling in a process");
  add_process(stop_);
  stop_->get_option("PID")->required();
  convert_ = profile_->add_subcommand(
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
  leaks_
      ->add_option("PID|SNAPSHOT", file_,
                   "A process that samples, or what tenure_profile_dump() or TENURE_PROFILE wrote")
      ->required();
  leaks_->add_option("--timeout", timeout_, "Wait no longer for an answer (default 10s)")
      ->type_name("TIME");
}

bool ProfileCommands::parsed() const {
  return profile_->parsed() || diff_->parsed() || leaks_->parsed();
}

ProfiledProcess ProfileCommands::process() const {
  return {process_, parse_interval(timeout_, std::chrono::milliseconds(1))};
}

void ProfileCommands::write(const std::string& text) const {
  if (output_.empty() || output_ == "-") {
    std::fwrite(text.data(), 1, text.size(), stdout);
  } else {
    write_file(output_, text);
  }
}

static uint64_t parse_mean(const std::string& text) {
  if (text.empty()) return 0;
  const auto bytes = parse_bytes(text);
  if (!bytes || *bytes < 16 || *bytes > uint64_t{1} << 40)
    throw Failure("profile: '" + text + "' is no mean: 16 to 1T, as 512K");
  return *bytes;
}

int ProfileCommands::run_profile() const {
  if (process_.empty()) throw Failure("profile: which process? See tenure profile --help");
  const auto wait = seconds_.empty() ? std::chrono::milliseconds(0)
                                     : parse_interval(seconds_, std::chrono::milliseconds(1));
  const Snapshot snapshot = profile_for(process(), parse_mean(mean_), wait);
  const Profile profile = estimate(snapshot, tenant_);
  if (!output_.empty() || !format_.empty()) {
    write(rendered(profile, format_for(format_, output_, "pprof")));
    return 0;
  }
  const std::string file = fmt::format("tenure.{}.pb.gz", snapshot.process);
  write_file(file, rendered(profile, "pprof"));
  fmt::print("{}: {} sites; go tool pprof {}\n", file, profile.rows.size(), file);
  return 0;
}

int ProfileCommands::run_leaks() const {
  // A number is a process's, also where a file is called so.
  std::error_code error;
  const bool is_number = file_.find_first_not_of("0123456789") == std::string::npos;
  const bool is_file = !is_number && std::filesystem::is_regular_file(file_, error);
  const Snapshot snapshot =
      is_file ? read_snapshot(file_)
              : snapshot_of({file_, parse_interval(timeout_, std::chrono::milliseconds(1))});
  if (!is_file && snapshot.mean == 0 && snapshot.sites.empty())
    throw Failure("leaks: process " + file_ +
                      " samples nothing: 'tenure profile start', or TENURE_PROFILE",
                  kExitRefused);
  write(leaks_of(estimate(snapshot, "")));
  return 0;
}

int ProfileCommands::run() const {
  if (leaks_->parsed()) return run_leaks();
  if (start_->parsed() || stop_->parsed()) {
    if (start_->parsed()) {
      const uint64_t before = start_profile_of(process(), parse_mean(mean_));
      fmt::print("{} samples allocations{}\n", process_, before != 0 ? ", as before" : "");
    } else {
      const uint64_t before = stop_profile_of(process());
      fmt::print("{} {}\n", process_, before != 0 ? "samples no more" : "sampled nothing");
    }
    return 0;
  }
  if (profile_->parsed() && !convert_->parsed()) return run_profile();
  Profile profile = estimate(read_snapshot(file_), tenant_);
  if (diff_->parsed()) profile = difference(profile, estimate(read_snapshot(later_), tenant_));
  write(rendered(profile, format_for(format_, output_, "text")));
  return 0;
}

}  // namespace tenure::tool
