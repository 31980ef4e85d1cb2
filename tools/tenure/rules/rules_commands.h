// tenure rules check|test|load.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace tenure::tool {

struct RulesRequest {
  CLI::App* app = nullptr;
  CLI::App* check = nullptr;
  CLI::App* test = nullptr;
  CLI::App* load = nullptr;
  std::string file;
  int pid = 0;
  // What is to be matched.
  std::string process, command, thread, library, symbol, listen, peer, peer_process;
  long peer_uid = -1;
};

void add_rules(CLI::App& app, RulesRequest& request);
int run_rules(const RulesRequest& request);

}  // namespace tenure::tool
