// The memory file by which the processes of a service get their rules (rules/matching/table.h).
#pragma once

#include <string>

#include "tools/tenure/rules/rule_file.h"

namespace tenure::tool {

// Makes one, with these rules. The descriptor is open for reading alone and stays open on exec; its number is high, out of the way of the
// program's own. Returns the value of TENURE_RULES.
std::string make_rule_share(const CompiledRules& rules);

// Replaces the rules of the process, and of all that share them. Throws Failure.
void load_rules_into(int pid, const CompiledRules& rules);

}  // namespace tenure::tool
