// The command line of one command, without the library that parses it: its headers take seconds to compile.
#pragma once

#include <functional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace tenure::tool {

// What is to be done, once the command line is understood. Returns the exit status.
using Action = std::function<int()>;
// "" or the complaint about a value.
using Check = std::function<std::string(const std::string&)>;

enum class Presence { kOptional, kRequired };

// Variables that are referred to must live until the action has run.
class Command {
public:
  // `examples` end the command's --help.
  Command(CLI::App& app, const std::string& name, const std::string& description,
          const std::string& examples);

  Command& positional(const std::string& name, std::string& value, const std::string& help,
                      Presence presence);
  Command& positional(const std::string& name, std::vector<std::string>& values,
                      const std::string& help, Presence presence);
  // `names` as "-o,--output"; `type` stands behind them in --help.
  Command& option(const std::string& names, std::string& value, const std::string& type,
                  const std::string& help, const Check& check = nullptr);
  // May be given several times.
  Command& options(const std::string& names, std::vector<std::string>& values,
                   const std::string& type, const std::string& help);
  Command& required_option(const std::string& names, std::string& value, const std::string& type,
                           const std::string& help);
  Command& number(const std::string& names, uint64_t& value, const std::string& type,
                  const std::string& help);
  Command& number(const std::string& names, double& value, const std::string& type,
                  const std::string& help);
  // `excluded`: a flag that cannot be given besides, or "".
  Command& flag(const std::string& names, bool& value, const std::string& help,
                const std::string& excluded = "");
  // PID: a number, or the name of the only process under Tenure that is called so.
  Command& process(std::string& process, Presence presence);
  Command& processes(std::vector<std::string>& processes);
  Command& json(bool& json);
  // Stores `chosen` in `action` where this is the command.
  void runs(Action& action, Action chosen);

private:
  CLI::App& command_;
};

}  // namespace tenure::tool
