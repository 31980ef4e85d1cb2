#include "base/system/log.h"

#include <errno.h>
#include <unistd.h>

#include <string>

#include <gtest/gtest.h>

#include "base/system/check.h"

namespace tenure {
namespace {

std::string text_of(const LineBuffer& line) { return {line.data(), line.size()}; }

TEST(LineBuffer, FormatsNumbers) {
  LineBuffer line;
  line.decimal(0).text(" ").decimal(UINT64_MAX).text(" ").hex(0).text(" ").hex(0xdeadbeef);
  EXPECT_EQ(text_of(line), "0 18446744073709551615 0x0 0xdeadbeef");
  line.clear();
  line.signed_decimal(-1).text(" ").signed_decimal(INT64_MIN).text(" ").signed_decimal(INT64_MAX);
  EXPECT_EQ(text_of(line), "-1 -9223372036854775808 9223372036854775807");
  line.clear();
  line.hex(UINT64_MAX);
  EXPECT_EQ(text_of(line), "0xffffffffffffffff");
}

TEST(LineBuffer, AlignsColumnsToTheRight) {
  LineBuffer line;
  line.column(42, 5).column("ab", 4).column(123456, 3);
  EXPECT_EQ(text_of(line), "   42  ab123456");
  line.clear();
  line.permille(123, 6).permille(5, 0).permille(1000, 0);
  EXPECT_EQ(text_of(line), "  12.30.5100.0");
}

TEST(LineBuffer, TakesPartsOfStrings) {
  LineBuffer line;
  line.text("abcdef", 3).text("").text("x", 0);
  EXPECT_EQ(text_of(line), "abc");
}

TEST(LineBuffer, CutsWhatDoesNotFit) {
  LineBuffer line;
  const std::string part(100, 'x');
  for (int i = 0; i < 10; ++i) line.text(part.c_str());
  EXPECT_EQ(text_of(line), std::string(512, 'x'));
  line.decimal(UINT64_MAX).column(7, 600);
  EXPECT_EQ(line.size(), 512u);
}

TEST(LineBuffer, FlushWritesAllAndClears) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  LineBuffer line;
  line.text("one line\n").flush(ends[1]);
  EXPECT_EQ(line.size(), 0u);
  char got[32];
  ASSERT_EQ(read(ends[0], got, sizeof got), 9);
  EXPECT_EQ(std::string(got, 9), "one line\n");
  close(ends[0]);
  close(ends[1]);
}

TEST(LineBuffer, FlushKeepsErrnoAndGivesUpOnABadDescriptor) {
  LineBuffer line;
  errno = 4711;
  line.text("nobody reads this").flush(-1);
  EXPECT_EQ(errno, 4711);
  EXPECT_EQ(line.size(), 0u);
}

TEST(Log, LineHasThePrefixOnce) {
  testing::internal::CaptureStderr();
  log_line("something happened");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "tenure: something happened\n");
}

TEST(CheckDeathTest, FatalSaysWhyAndAborts) {
  EXPECT_EXIT(fatal("out of order"), testing::KilledBySignal(SIGABRT), "^tenure: out of order\n");
}

TEST(CheckDeathTest, AssertionsAreForDebugBuilds) {
#ifdef NDEBUG
  TENURE_ASSERT(false);
#else
  TENURE_ASSERT(true);
  EXPECT_EXIT(TENURE_ASSERT(1 == 2), testing::KilledBySignal(SIGABRT),
              "tenure: assertion failed: 1 == 2 at ");
#endif
}

}  // namespace
}  // namespace tenure
