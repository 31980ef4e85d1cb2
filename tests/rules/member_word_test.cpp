#include "rules/member_word.h"

#include <gtest/gtest.h>

using tenure::rules::MemberWord;

namespace {

TEST(MemberWord, JoiningNeedsTheGenerationAndAMember) {
  EXPECT_TRUE((MemberWord{1, 5}.can_join(5)));
  EXPECT_FALSE((MemberWord{1, 5}.can_join(4)));
  EXPECT_FALSE((MemberWord{0, 5}.can_join(5)));
  EXPECT_FALSE((MemberWord{UINT32_MAX, 5}.can_join(5)));
}

TEST(MemberWord, Transitions) {
  const MemberWord word{3, 5};
  EXPECT_EQ(word.joined().members, 4u);
  EXPECT_EQ(word.ended().generation, 6u);
  EXPECT_EQ(word.ended().members, 0u);
  EXPECT_EQ((MemberWord{0, UINT32_MAX}.ended().generation), 1u) << "a reference is never 0";
  EXPECT_EQ(MemberWord::from(word.word()).members, 3u);
  EXPECT_EQ(MemberWord::from(word.word()).generation, 5u);
}

}  // namespace
