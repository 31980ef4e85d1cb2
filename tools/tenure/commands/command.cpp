#include "tools/tenure/commands/command.h"

#include <CLI/CLI.hpp>

namespace tenure::tool {

Command::Command(CLI::App& app, const std::string& name, const std::string& description,
                 const std::string& examples)
    : command_(*app.add_subcommand(name, description)) {
  command_.footer("Examples:\n" + examples);
}

Command& Command::positional(const std::string& name, std::string& value, const std::string& help,
                             Presence presence) {
  command_.add_option(name, value, help)->type_name("")->required(presence == Presence::kRequired);
  return *this;
}

Command& Command::positional(const std::string& name, std::vector<std::string>& values,
                             const std::string& help, Presence presence) {
  command_.add_option(name, values, help)->type_name("")->required(presence == Presence::kRequired);
  return *this;
}

Command& Command::option(const std::string& names, std::string& value, const std::string& type,
                         const std::string& help, const Check& check) {
  CLI::Option* const option = command_.add_option(names, value, help)->type_name(type);
  if (check) option->check(check);
  return *this;
}

Command& Command::options(const std::string& names, std::vector<std::string>& values,
                          const std::string& type, const std::string& help) {
  command_.add_option(names, values, help)->type_name(type)->expected(1)->take_all();
  return *this;
}

Command& Command::required_option(const std::string& names, std::string& value,
                                  const std::string& type, const std::string& help) {
  command_.add_option(names, value, help)->type_name(type)->required();
  return *this;
}

Command& Command::number(const std::string& names, uint64_t& value, const std::string& type,
                         const std::string& help) {
  command_.add_option(names, value, help)->type_name(type);
  return *this;
}

Command& Command::number(const std::string& names, double& value, const std::string& type,
                         const std::string& help) {
  command_.add_option(names, value, help)->type_name(type);
  return *this;
}

Command& Command::flag(const std::string& names, bool& value, const std::string& help,
                       const std::string& excluded) {
  CLI::Option* const flag = command_.add_flag(names, value, help);
  if (!excluded.empty()) flag->excludes(command_.get_option(excluded));
  return *this;
}

Command& Command::process(std::string& process, Presence presence) {
  return positional("PID", process,
                    "The process: its number, or its name where only one is called so", presence);
}

Command& Command::processes(std::vector<std::string>& processes) {
  return positional("PID", processes, "Only these processes: numbers or names",
                    Presence::kOptional);
}

Command& Command::json(bool& json) { return flag("--json", json, "As JSON"); }

void Command::runs(Action& action, Action chosen) {
  command_.callback([&action, chosen] { action = chosen; });
}

}  // namespace tenure::tool
