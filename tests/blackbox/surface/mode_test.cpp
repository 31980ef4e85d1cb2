#include <gtest/gtest.h>
#include <stdlib.h>
#include <string.h>
#include <string>

#include "tenure/tenure.h"

extern "C" const unsigned int __rseq_size __attribute__((weak));

namespace blackbox {
namespace {

// Guards the rest of the suite: a build that silently falls back would otherwise pass as both modes.
TEST(Mode, IsTheOneTheEnvironmentAsksFor) {
  const char* tunables = getenv("GLIBC_TUNABLES");
  bool refused = tunables != nullptr && strstr(tunables, "glibc.pthread.rseq=0") != nullptr;
  const char* check = getenv("TENURE_CHECK");  // hardened chains are not for restartable sequences
  refused = refused || (check != nullptr && strcmp(check, "hardened") == 0);
  bool registered = &__rseq_size != nullptr && __rseq_size > 0;
  if (refused) {
    EXPECT_STREQ(tenure_mode(), "fallback");
  } else if (registered) {
    const char* expected = getenv("TENURE_TEST_EXPECT_MODE");  // builds without rseq name theirs
    EXPECT_STREQ(tenure_mode(), expected == nullptr ? "rseq" : expected);
  } else {
    EXPECT_STREQ(tenure_mode(), "fallback");
  }
}

TEST(Mode, VersionIsANumber) {
  std::string version = tenure_version();
  EXPECT_NE(version.find('.'), std::string::npos) << version;
}

}  // namespace
}  // namespace blackbox
