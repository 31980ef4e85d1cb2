// Shell patterns: *, ?, [abc], [a-z], [!abc], and \ before a literal character.
#pragma once

namespace tenure::rules {

// Whether the whole text matches. Takes at most |pattern| * |text| steps; no recursion.
bool glob_matches(const char* pattern, const char* text);

// nullptr, or the place of the bracket that is never closed, or of the backslash that ends the pattern.
const char* glob_fault(const char* pattern);

}  // namespace tenure::rules
