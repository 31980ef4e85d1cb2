// The rules that are in force in this process: a private copy of the image in the shared file.
#pragma once

#include <atomic>
#include <cstdint>

#include "rules/matching/table.h"

namespace tenure::rules {

// The duties of the wrapped functions, as bits: RuleKind and the following. 0: none. This is a hint that may be read at any time: the
// functions behind it check again under rules_mutex.
constexpr uint32_t kHasCode = 8;          // Some rule or template names a library or a symbol.
constexpr uint32_t kHasConstructor = 16;  // Some rule may apply to a library's constructors.
constexpr uint32_t kHasPeer = 32;         // Some rule or template names the process of a peer.
constexpr uint32_t kIsOn =
    64;  // Tenure serves the process's malloc, and the rules library is set up.
extern std::atomic<uint32_t> active;

inline bool is_active(uint32_t what) {
  return (active.load(std::memory_order_relaxed) & what) != 0;
}

// Finds the shared file by TENURE_RULES, "<descriptor>:<process>". False: there is no file. If the variable is set, a line reports that.
bool find_share();
// The descriptor of the shared file, which the program does not know; -1 without one.
int share_descriptor();
// The program has put another file at the descriptor's number.
void forget_share_descriptor();

// With rules_mutex held. Loads the present rules of the shared file. False: no new rules, or no valid ones.
bool load_rules();
// Whether the shared file has other rules than those in force. Two loads.
bool are_outdated();
// With rules_mutex held, until the next load_rules().
const View& current_view();

}  // namespace tenure::rules
