#include "rules/matching/facts.h"

#include <string.h>

#include "rules/matching/glob.h"
#include "rules/matching/path_template.h"

namespace tenure::rules {
namespace {

// A missing glob matches all texts.
bool matches(const View& view, uint32_t glob, const char* text) {
  return glob == 0 || glob_matches(view.text(glob), text);
}

bool matches_process(const View& view, const RuleRecord& rule, const ProcessFacts& process) {
  return matches(view, rule.process, process.name) && matches(view, rule.command, process.command);
}

bool matches_thread(const View& view, const RuleRecord& rule, const ThreadFacts& thread) {
  if (thread.is_constructor) {
    return rule.library != 0 && rule.thread == 0 && rule.symbol == 0 &&
           !needs_thread(view.text(rule.tenant)) &&
           glob_matches(view.text(rule.library), thread.library);
  }
  return matches(view, rule.thread, thread.name) && matches(view, rule.library, thread.library) &&
         matches(view, rule.symbol, thread.symbol);
}

bool matches_listener(const View& view, const RuleRecord& rule, const Endpoint& local) {
  switch (rule.listen.family) {
  case Family::kAny:
    return true;
  case Family::kInet:
    return local.family == Family::kInet && is_within(rule.listen, local.address) &&
           (rule.listen_port == 0 || rule.listen_port == local.port);
  case Family::kUnix:
    return local.family == Family::kUnix && glob_matches(view.text(rule.listen_path), local.path);
  }
  return false;
}

bool matches_connection(const View& view, const RuleRecord& rule, const ConnectionFacts& facts) {
  if (!matches_listener(view, rule, facts.local)) return false;
  if (rule.peer.family == Family::kInet &&
      (facts.peer.family != Family::kInet || !is_within(rule.peer, facts.peer.address)))
    return false;
  if (rule.has_peer_uid != 0 && (!facts.has_credentials || facts.uid != rule.peer_uid))
    return false;
  return rule.peer_process == 0 ||
         (facts.has_credentials && glob_matches(view.text(rule.peer_process), facts.process));
}

}  // namespace

bool is_within(const Prefix& prefix, const uint8_t (&address)[16]) {
  const unsigned whole = prefix.bits / 8, rest = prefix.bits % 8;
  if (memcmp(prefix.address, address, whole) != 0) return false;
  return rest == 0 || ((prefix.address[whole] ^ address[whole]) >> (8 - rest)) == 0;
}

const RuleRecord* find_rule(const View& view, RuleKind kind, const Facts& facts) {
  if ((view.kinds & kind) == 0) return nullptr;
  for (uint32_t i = 0; i < view.rule_count; ++i) {
    const RuleRecord& rule = view.rules[i];
    if (rule.kind != kind || !matches_process(view, rule, facts.process)) continue;
    if (kind == kThreadRule && !matches_thread(view, rule, facts.thread)) continue;
    if (kind == kConnectionRule &&
        (facts.connection == nullptr || !matches_connection(view, rule, *facts.connection)))
      continue;
    return &rule;
  }
  return nullptr;
}

}  // namespace tenure::rules
