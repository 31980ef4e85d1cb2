// The text of option values: words, numbers, numbers with a unit. Also the search for the nearest option of a misspelt name.
#pragma once

#include "base/options/settings.h"
#include "base/system/log.h"

namespace tenure {

// The units that may follow a number of this option ("ms, s, m, h"), or nullptr. The option's name ends with its own unit.
const char* units_of(const Option& option);
// Appends "fast, hardened", "0 to 64", or "-1 to 3600000, or with a unit: ms, s, m, h".
void write_good_values(LineBuffer& line, const Option& option);
// Copies a text with its 0. False: the text is too long, and nothing has changed.
bool set_text(char (&text)[kLongestText], const char* value);
// The option with the nearest name, by the number of changed, added and removed letters. `name` is in upper or lower case.
const Option& nearest_option(const char* name, size_t length);

}  // namespace tenure
