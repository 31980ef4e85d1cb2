#include "rules/matching/glob.h"

#include <gtest/gtest.h>

#include <string>

using tenure::rules::glob_fault;
using tenure::rules::glob_matches;

namespace {

TEST(Glob, Matches) {
  const struct {
    const char* pattern;
    const char* text;
    bool matches;
  } cases[] = {{"", "", true},
               {"", "a", false},
               {"a", "a", true},
               {"a", "b", false},
               {"a", "", false},
               {"a", "aa", false},
               {"*", "", true},
               {"*", "anything", true},
               {"a*", "a", true},
               {"a*", "ba", false},
               {"*b", "ab", true},
               {"*b", "aba", false},
               {"a*b*c", "a1b2c", true},
               {"a*b*c", "abbbc", true},
               {"a*b*c", "acb", false},
               {"**", "x", true},
               {"?", "x", true},
               {"?", "", false},
               {"a?c", "abc", true},
               {"a?c", "ac", false},
               {"[abc]", "b", true},
               {"[abc]", "d", false},
               {"[a-c]x", "bx", true},
               {"[a-c]", "d", false},
               {"[!a-c]", "d", true},
               {"[!a-c]", "b", false},
               {"[^a]", "b", true},
               {"[]]", "]", true},
               {"[!]]", "]", false},
               {"[a-]", "-", true},
               {"\\*", "*", true},
               {"\\*", "x", false},
               {"[\\]]", "]", true},
               {"\\[a]", "[a]", true},
               {"w*r[0-9]", "worker7", true},
               {"w*r[0-9]", "worker", false},
               {"[\x80-\xff]", "\xc3", true},
               {"*[x", "a[x", true}};
  for (const auto& it : cases)
    EXPECT_EQ(glob_matches(it.pattern, it.text), it.matches) << it.pattern << " " << it.text;
}

TEST(Glob, ManyStarsTakeNoExponentialTime) {
  const std::string text(4000, 'a');
  std::string pattern;
  for (int i = 0; i < 40; ++i) pattern += "*a";
  EXPECT_TRUE(glob_matches(pattern.c_str(), text.c_str()));
  EXPECT_FALSE(glob_matches((pattern + "b").c_str(), text.c_str()));
}

TEST(Glob, Faults) {
  EXPECT_EQ(glob_fault("a*[b]?\\["), nullptr);
  for (const char* good : {"", "[]a]", "[!]]", "\\\\"})
    EXPECT_EQ(glob_fault(good), nullptr) << good;
  const struct {
    const char* pattern;
    long place;
  } bad[] = {{"ab[c", 2}, {"[", 0}, {"[]", 0}, {"[!]", 0}, {"a\\", 1}, {"[a]x[b", 4}};
  for (const auto& it : bad) {
    const char* const fault = glob_fault(it.pattern);
    ASSERT_NE(fault, nullptr) << it.pattern;
    EXPECT_EQ(fault - it.pattern, it.place) << it.pattern;
  }
}

}  // namespace
