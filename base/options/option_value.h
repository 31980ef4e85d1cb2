// Values of options as they are written: words, numbers, numbers with a unit. And names that are nearly an option's.
#pragma once

#include "base/options/settings.h"
#include "base/system/log.h"

namespace tenure {

// The units that a number of this option may have behind it ("ms, s, m, h"), or nullptr. The option's name ends with its own unit.
const char* units_of(const Option& option);
// Appends "fast, hardened", "0 to 64", or "-1 to 3600000, or with a unit: ms, s, m, h".
void write_good_values(LineBuffer& line, const Option& option);
// Copies a text with its 0. False: it is too long, and nothing has changed.
bool set_text(char (&text)[kLongestText], const char* value);
// The option whose name is nearest, by the letters to be changed, added and left out. `name` is in upper or lower case.
const Option& nearest_option(const char* name, size_t length);

}  // namespace tenure
