// tenure profile, tenure heap diff, tenure leaks.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace tenure::tool {

struct ProfiledProcess;

class ProfileCommands {
public:
  explicit ProfileCommands(CLI::App& app);
  bool parsed() const;
  // The exit status.
  int run() const;

private:
  void add_output(CLI::App* command);
  void add_process(CLI::App* command);
  ProfiledProcess process() const;
  int run_profile() const;
  int run_leaks() const;
  // To the file asked for, or standard output.
  void write(const std::string& text) const;

  CLI::App* profile_;
  CLI::App* start_;
  CLI::App* stop_;
  CLI::App* convert_;
  CLI::App* diff_;
  CLI::App* leaks_;
  std::string file_, later_;  // Snapshots
  std::string process_, seconds_, mean_, timeout_ = "10s";
  std::string output_, format_, tenant_;
};

}  // namespace tenure::tool
