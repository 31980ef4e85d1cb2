#include "tools/tenure/rules/rules_commands.h"

#include <fmt/core.h>
#include <string.h>

#include "rules/matching/facts.h"
#include "rules/matching/path_template.h"
#include "tools/tenure/model/failure.h"
#include "tools/tenure/rules/rule_file.h"
#include "tools/tenure/rules/rule_share.h"
#include "tools/tenure/rules/rule_values.h"

namespace tenure::tool {
namespace {

constexpr int kNoMatch = 1;

int check(const std::string& file) {
  const CompiledRules compiled = compile_rules(file);
  for (const Problem& problem : compiled.problems)
    fmt::print(stderr, "tenure: {}\n", to_text(file, problem));
  if (!compiled.problems.empty()) return kExitFailure;
  rules::View view;
  if (!rules::view_of(compiled.image.data(), compiled.image.size() * sizeof compiled.image[0],
                      view))
    throw Failure(file + ": the library would not take what was compiled");
  fmt::print("{}: {} rules, {} tenants\n", file, view.rule_count, view.tenant_count);
  return 0;
}

// An end of a connection as --listen and --peer name it.
rules::Endpoint endpoint_of(const char* option, const std::string& text) {
  rules::Endpoint end;
  if (text.empty()) return end;
  rules::Prefix prefix{};
  uint32_t port = 0;
  std::string path;
  std::string good;
  if (strcmp(option, "--peer") == 0 && parse_prefix(text, prefix).empty()) {
    // An address without a port.
  } else if (good = parse_listener(text, prefix, port, path); !good.empty()) {
    throw Failure(fmt::format("{}: {} is no address; good: {}", option, text, good));
  }
  end.family = prefix.family;
  memcpy(end.address, prefix.address, sizeof end.address);
  end.port = static_cast<uint16_t>(port);
  strncpy(end.path, path.c_str(), sizeof end.path - 1);
  return end;
}

rules::ConnectionFacts connection_of(const RulesRequest& request) {
  rules::ConnectionFacts facts;
  facts.local = endpoint_of("--listen", request.listen);
  facts.peer = endpoint_of("--peer", request.peer);
  facts.has_credentials = request.peer_uid >= 0 || !request.peer_process.empty();
  facts.uid = request.peer_uid >= 0 ? static_cast<uint32_t>(request.peer_uid) : 0;
  strncpy(facts.process, request.peer_process.c_str(), sizeof facts.process - 1);
  strncpy(facts.executable, request.peer_process.c_str(), sizeof facts.executable - 1);
  return facts;
}

rules::RuleKind kind_of(const RulesRequest& request) {
  const bool is_thread =
      !request.thread.empty() || !request.library.empty() || !request.symbol.empty();
  const bool is_connection = !request.listen.empty() || !request.peer.empty() ||
                             request.peer_uid >= 0 || !request.peer_process.empty();
  if (is_thread && is_connection) throw Failure("rules test: a thread or a connection, not both");
  return is_thread       ? rules::kThreadRule
         : is_connection ? rules::kConnectionRule
                         : rules::kProcessRule;
}

int test(const RulesRequest& request) {
  const CompiledRules compiled = compile_good_rules(request.file);
  rules::View view;
  if (!rules::view_of(compiled.image.data(), compiled.image.size() * sizeof compiled.image[0],
                      view))
    throw Failure(request.file + ": the library would not take what was compiled");
  const rules::ConnectionFacts connection = connection_of(request);
  rules::Facts facts;
  constexpr uint32_t kSomeNumber = 12345;
  facts.process = {request.process.c_str(), request.command.c_str(), kSomeNumber};
  facts.thread = {request.thread.c_str(), request.library.c_str(), request.symbol.c_str(),
                  kSomeNumber, false};
  facts.connection = &connection;
  const rules::RuleRecord* const rule = rules::find_rule(view, kind_of(request), facts);
  if (rule == nullptr) {
    fmt::print("no rule\n");
    return kNoMatch;
  }
  char path[rules::kPathBytes];
  size_t shared = 0;
  if (!rules::expand(view.text(rule->tenant), facts, path, shared))
    throw Failure("rules test: the path is too long");
  fmt::print("{}:{}: {}\n", request.file, compiled.lines[static_cast<size_t>(rule - view.rules)],
             path);
  return 0;
}

}  // namespace

void add_rules(CLI::App& app, RulesRequest& request) {
  request.app = app.add_subcommand(
      "rules", "Check, test and load rules that put a service's memory into tenants");
  request.app->require_subcommand(1);
  request.check = request.app->add_subcommand(
      "check", "Say what is wrong with a rule file, by line and column");
  request.check->add_option("FILE", request.file)->required();
  request.test = request.app->add_subcommand(
      "test", "Show which tenant a process, thread or connection would get");
  request.test->add_option("FILE", request.file)->required();
  request.test->add_option("--process", request.process, "Name of the process")->type_name("NAME");
  request.test->add_option("--command", request.command, "Its command line")->type_name("LINE");
  request.test->add_option("--thread", request.thread, "Name of the thread")->type_name("NAME");
  request.test->add_option("--library", request.library, "Where its start routine lies")
      ->type_name("NAME");
  request.test->add_option("--symbol", request.symbol, "Its start routine")->type_name("NAME");
  request.test->add_option("--listen", request.listen, "Listener of the connection, as in rules")
      ->type_name("ADDRESS");
  request.test->add_option("--peer", request.peer, "Its peer: an address, with a port or without")
      ->type_name("ADDRESS");
  request.test->add_option("--peer-uid", request.peer_uid, "The peer's user, of a unix socket")
      ->type_name("UID");
  request.test
      ->add_option("--peer-process", request.peer_process, "The peer's name, of a unix socket")
      ->type_name("NAME");
  request.test->footer("{tid} and {pid} are shown as 12345.\n\nExit status: 0; 1 if no rule "
                       "matches; 125 on failure.");
  request.load = request.app->add_subcommand(
      "load", "Replace the rules of a service that was started with rules");
  request.load->add_option("PID", request.pid)->required();
  request.load->add_option("FILE", request.file)->required();
}

int run_rules(const RulesRequest& request) {
  if (request.check->parsed()) return check(request.file);
  if (request.test->parsed()) return test(request);
  load_rules_into(request.pid, compile_good_rules(request.file));
  return 0;
}

}  // namespace tenure::tool
