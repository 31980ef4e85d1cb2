// tenure profile convert, tenure heap diff, tenure leaks.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace tenure::tool {

class ProfileCommands {
public:
  explicit ProfileCommands(CLI::App& app);
  bool parsed() const;
  // The exit status.
  int run() const;

private:
  CLI::App* convert_;
  CLI::App* diff_;
  CLI::App* leaks_;
  std::string file_, later_;  // Snapshots
  std::string output_, format_, tenant_;
};

}  // namespace tenure::tool
