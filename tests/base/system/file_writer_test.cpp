#include "base/system/file_writer.h"

#include <errno.h>
#include <gtest/gtest.h>
#include <stdio.h>

#include <string>

namespace tenure {
namespace {

std::string content_of(FILE* file) {
  std::string text;
  rewind(file);
  for (int c = getc(file); c != EOF; c = getc(file)) text += static_cast<char>(c);
  return text;
}

TEST(FileWriter, WritesTextAndNumbers) {
  FILE* const file = tmpfile();
  FileWriter out(fileno(file));
  out.text("a ").number(0).text(" ").number(UINT64_MAX).text(" ").hex(0xbeef).text(" ");
  out.name("n\no").quoted("q\"\\\t");
  EXPECT_EQ(out.end(), 0);
  const std::string expected = "a 0 18446744073709551615 beef n?o\n\"q\\\"\\\\?\"";
  EXPECT_EQ(content_of(file), expected);
  EXPECT_EQ(out.written(), expected.size());
  fclose(file);
}

TEST(FileWriter, PassesItsBuffer) {
  FILE* const file = tmpfile();
  FileWriter out(fileno(file));
  std::string expected;
  for (int i = 0; i < 5000; ++i) {
    out.number(static_cast<uint64_t>(i));
    expected += std::to_string(i);
  }
  EXPECT_EQ(out.end(), 0);
  EXPECT_EQ(content_of(file), expected);
  fclose(file);
}

TEST(FileWriter, WritesNoMoreThanItMay) {
  FILE* const file = tmpfile();
  const std::string text(5000, 'x');
  FileWriter all(fileno(file), 5000);
  EXPECT_EQ(all.text(text.c_str()).end(), 0);
  FileWriter less(fileno(file), 4999);
  EXPECT_EQ(less.text(text.c_str()).end(), -EFBIG);
  EXPECT_LT(less.written(), 5000U);
  fclose(file);
}

TEST(FileWriter, KeepsTheFirstError) {
  FileWriter out(-1);
  EXPECT_EQ(out.text("text").end(), -EBADF);
  EXPECT_EQ(out.text("text").end(), -EBADF);
}

}  // namespace
}  // namespace tenure
