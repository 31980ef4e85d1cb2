#include "rules/matching/glob.h"

namespace tenure::rules {
namespace {

unsigned char byte(const char* p) { return static_cast<unsigned char>(*p); }

// The closing bracket of the set that begins at `set` (a '['), or nullptr. A ']' right behind the opening one is a member.
const char* set_end(const char* set) {
  const char* p = set + 1;
  if (*p == '!' || *p == '^') ++p;
  if (*p == ']') ++p;
  for (; *p != '\0' && *p != ']'; ++p) {
    if (*p == '\\' && p[1] != '\0') ++p;
  }
  return *p == ']' ? p : nullptr;
}

bool set_has(const char* set, const char* end, unsigned char c) {
  const char* p = set + 1;
  const bool negated = *p == '!' || *p == '^';
  if (negated) ++p;
  bool found = false;
  while (p < end) {
    if (*p == '\\') ++p;
    const unsigned char low = byte(p++);
    unsigned char high = low;
    if (*p == '-' && p + 1 < end) {
      ++p;
      if (*p == '\\') ++p;
      high = byte(p++);
    }
    found = found || (low <= c && c <= high);
  }
  return found != negated;
}

// One character of the text against one element of the pattern, which is no '*'. The element's end, or nullptr.
const char* match_one(const char* pattern, char c) {
  switch (*pattern) {
  case '\0':
    return nullptr;
  case '?':
    return pattern + 1;
  case '[':
    if (const char* const end = set_end(pattern))
      return set_has(pattern, end, static_cast<unsigned char>(c)) ? end + 1 : nullptr;
    break;
  case '\\':
    if (pattern[1] != '\0') ++pattern;
    break;
  default:
    break;
  }
  return *pattern == c ? pattern + 1 : nullptr;
}

}  // namespace

bool glob_matches(const char* pattern, const char* text) {
  // After the last '*': the rest of the pattern, and the position in the text that was tried. An earlier '*' need not be tried again.
  const char* star = nullptr;
  const char* tried = nullptr;
  while (*text != '\0') {
    if (*pattern == '*') {
      star = ++pattern;
      tried = text;
    } else if (const char* const next = match_one(pattern, *text)) {
      pattern = next;
      ++text;
    } else if (star != nullptr) {
      pattern = star;
      text = ++tried;
    } else {
      return false;
    }
  }
  while (*pattern == '*') ++pattern;
  return *pattern == '\0';
}

const char* glob_fault(const char* pattern) {
  for (const char* p = pattern; *p != '\0'; ++p) {
    if (*p == '\\') {
      if (p[1] == '\0') return p;
      ++p;
    } else if (*p == '[') {
      const char* const end = set_end(p);
      if (end == nullptr) return p;
      p = end;
    }
  }
  return nullptr;
}

}  // namespace tenure::rules
