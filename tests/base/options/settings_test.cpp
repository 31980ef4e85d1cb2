#include "base/options/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

namespace tenure {
namespace {

class SettingsTest : public testing::Test {
protected:
  SettingsTest() { clear(); }
  ~SettingsTest() override { clear(); }

  static void clear() {
    for (const Option* option = option_table; option->name; ++option) {
      unsetenv(variable_of(*option).c_str());
    }
  }
  static std::string variable_of(const Option& option) {
    std::string name = "TENURE_";
    for (const char* p = option.name; *p; ++p) name += static_cast<char>(toupper(*p));
    return name;
  }
  static const Option& option_named(const char* name) {
    const Option* option = option_table;
    while (strcmp(option->name, name) != 0) ++option;
    return *option;
  }
  // What load_settings says on stderr.
  static std::string load(Settings& settings) {
    testing::internal::CaptureStderr();
    load_settings(settings);
    return testing::internal::GetCapturedStderr();
  }
};

TEST_F(SettingsTest, EmptyEnvironmentGivesTheDefaults) {
  Settings settings;
  memset(&settings, 0x55, sizeof settings);
  EXPECT_EQ(load(settings), "");
  for (const Option* option = option_table; option->name; ++option) {
    if (option->text) {
      EXPECT_STREQ(settings.*option->text, option->default_text ? option->default_text : "")
          << option->name;
    } else {
      EXPECT_EQ(settings.*option->field, option->default_value) << option->name;
    }
  }
  EXPECT_EQ(settings.check, static_cast<int64_t>(CheckLevel::kFast));
  EXPECT_EQ(settings.decay_ms, 1000);
  EXPECT_EQ(settings.huge_pages, static_cast<int64_t>(HugePageMode::kAuto));
  EXPECT_EQ(settings.stats, static_cast<int64_t>(StatsMode::kOff));
}

TEST_F(SettingsTest, TableIsComplete) {
  size_t bytes = 0;
  for (const Option* option = option_table; option->name; ++option) {
    bytes += option->text ? kLongestText : sizeof(int64_t);
    EXPECT_GT(strlen(option->help), 10u) << option->name;
    EXPECT_EQ(variable_of(*option).find_first_of("abcdefghijklmnopqrstuvwxyz"), std::string::npos);
    if (option->choices || option->text) continue;
    EXPECT_LE(option->smallest, option->default_value) << option->name;
    EXPECT_LE(option->default_value, option->largest) << option->name;
  }
  EXPECT_EQ(bytes, sizeof(Settings)) << "a setting has no option";
}

TEST_F(SettingsTest, EveryOptionIsReadFromItsVariable) {
  for (const Option* option = option_table; option->name; ++option) {
    clear();
    if (option->choices) {
      for (const Choice* choice = option->choices; choice->word; ++choice) {
        setenv(variable_of(*option).c_str(), choice->word, 1);
        Settings settings;
        EXPECT_EQ(load(settings), "");
        EXPECT_EQ(settings.*option->field, choice->value) << option->name << choice->word;
      }
    } else if (option->text) {
      setenv(variable_of(*option).c_str(), "shop", 1);
      Settings settings;
      EXPECT_EQ(load(settings), "");
      EXPECT_STREQ(settings.*option->text, "shop");
    } else {
      for (const int64_t value : {option->smallest, option->largest}) {
        setenv(variable_of(*option).c_str(), std::to_string(value).c_str(), 1);
        Settings settings;
        EXPECT_EQ(load(settings), "");
        EXPECT_EQ(settings.*option->field, value) << option->name;
      }
    }
  }
}

TEST_F(SettingsTest, BadValueIsReportedInOneLineAndTheDefaultUsed) {
  setenv("TENURE_DECAY_MS", "soon", 1);
  setenv("TENURE_CHECK", "hardened", 1);
  Settings settings;
  const std::string said = load(settings);
  EXPECT_EQ(said, "tenure: option TENURE_DECAY_MS: bad value 'soon', the default is used; good: -1 "
                  "to 3600000, or "
                  "with a unit: ms, s, m, h\n");
  EXPECT_EQ(settings.decay_ms, 1000);
  EXPECT_EQ(settings.check, static_cast<int64_t>(CheckLevel::kHardened));
}

TEST_F(SettingsTest, LongBadValuesAreCut) {
  setenv("TENURE_STATS", std::string(5000, 'y').c_str(), 1);
  Settings settings;
  const std::string said = load(settings);
  EXPECT_LT(said.size(), 250u);
  EXPECT_EQ(said.back(), '\n');
}

TEST_F(SettingsTest, UnknownVariablesAreReportedWithTheNearestName) {
  for (const auto& [unknown, nearest] : {std::pair{"TENURE_DECAY", "TENURE_DECAY_MS"},
                                         {"TENURE_DECAY_MS_MORE", "TENURE_DECAY_MS"},
                                         {"TENURE_decay_ms", "TENURE_DECAY_MS"},
                                         {"TENURE_HARDENED_CHECK", "TENURE_CHECK"},
                                         {"TENURE_RSS_LIMIT", "TENURE_RSS_LIMIT_MIB"},
                                         {"TENURE_STAT", "TENURE_STATS"}}) {
    setenv(unknown, "5", 1);
    Settings settings;
    EXPECT_EQ(load(settings), std::string("tenure: there is no option ") + unknown +
                                  "; the nearest is " + nearest + "\n");
    EXPECT_EQ(settings.decay_ms, 1000);
    unsetenv(unknown);
  }
  setenv("TENURE_TEST_SCALE", "5", 1);
  setenv("TENURE_RULES", "5", 1);
  setenv("TENURE_TENANT", "/a", 1);
  setenv("TENURED", "5", 1);
  setenv(("TENURE_" + std::string(5000, 'Y')).c_str(), "5", 1);
  Settings settings;
  const std::string said = load(settings);
  EXPECT_LT(said.size(), 200u);
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1);
  unsetenv("TENURE_TEST_SCALE");
  unsetenv("TENURE_RULES");
  unsetenv("TENURE_TENANT");
  unsetenv("TENURED");
  unsetenv(("TENURE_" + std::string(5000, 'Y')).c_str());
}

TEST_F(SettingsTest, NumbersMayHaveUnits) {
  const struct {
    const char* name;
    const char* value;
    int64_t number;
  } good[] = {{"decay_ms", "2s", 2000},
              {"decay_ms", "250ms", 250},
              {"decay_ms", "1h", 3600000},
              {"rss_limit_mib", "64M", 64},
              {"rss_limit_mib", "2G", 2048},
              {"rss_limit_mib", "2048K", 2},
              {"rss_limit_mib", "1TiB", 1 << 20},
              {"slab_kib", "64K", 64},
              {"arena_gib", "16G", 16},
              {"arena_gib", "2T", 2048},
              {"max", "64M", 64 << 20},
              {"high", "1G", 1 << 30},
              {"max", "4097", 4097}};
  for (const auto& [name, value, number] : good) {
    Settings settings{};
    EXPECT_TRUE(parse_option(option_named(name), value, settings)) << name << " " << value;
    EXPECT_EQ(settings.*option_named(name).field, number) << value;
  }
  const std::pair<const char*, const char*> bad[] = {
      {"decay_ms", "2M"},       {"decay_ms", "2 s"},       {"decay_ms", "s"},
      {"decay_ms", "-1s"},      {"decay_ms", "2h"},        {"rss_limit_mib", "1000K"},
      {"rss_limit_mib", "64s"}, {"rss_limit_mib", "64MB"}, {"rss_limit_mib", "9000000000000000G"},
      {"slab_kib", "1M"},       {"lru_lists", "4K"}};
  for (const auto& [name, value] : bad) {
    Settings settings{};
    EXPECT_FALSE(parse_option(option_named(name), value, settings)) << name << " " << value;
  }
}

TEST_F(SettingsTest, ParserRefusesWhatIsNoNumberInRange) {
  const Option& decay = option_named("decay_ms");
  Settings settings{};
  settings.decay_ms = 77;
  for (const char* bad :
       {"", "-", "-2", "3600001", "1.5", " 1", "1 ", "0x10", "+1", "9223372036854775807",
        "9223372036854775808", "18446744073709551617", "99999999999999999999999"}) {
    EXPECT_FALSE(parse_option(decay, bad, settings)) << bad;
    EXPECT_EQ(settings.decay_ms, 77) << bad;
  }
  for (const auto& [word, value] :
       {std::pair{"-1", -1}, {"0", 0}, {"0012", 12}, {"3600000", 3600000}}) {
    EXPECT_TRUE(parse_option(decay, word, settings)) << word;
    EXPECT_EQ(settings.decay_ms, value);
  }
}

TEST_F(SettingsTest, ParserRefusesUnknownWords) {
  const Option& check = option_named("check");
  Settings settings{};
  settings.check = 77;
  for (const char* bad : {"", "Fast", "fas", "fastest", "2", "hardened "}) {
    EXPECT_FALSE(parse_option(check, bad, settings)) << bad;
    EXPECT_EQ(settings.check, 77);
  }
}

TEST_F(SettingsTest, ATextIsAName) {
  const Option& name = option_named("name");
  Settings settings{};
  const std::string longest(63, 'n');
  for (const std::string& good : {std::string("shop"), std::string("a b.c"), longest}) {
    EXPECT_TRUE(parse_option(name, good.c_str(), settings)) << good;
    EXPECT_EQ(settings.name, good);
  }
  for (const std::string& bad : {std::string("."), std::string(".."), std::string("a/b"),
                                 std::string("a\nb"), longest + "n"}) {
    EXPECT_FALSE(parse_option(name, bad.c_str(), settings)) << bad;
    EXPECT_EQ(settings.name, longest);
  }
  EXPECT_TRUE(parse_option(name, "", settings));
  EXPECT_STREQ(settings.name, "");
  setenv("TENURE_NAME", "a/b", 1);
  EXPECT_EQ(load(settings), "tenure: option TENURE_NAME: bad value 'a/b', the default is used; "
                            "good: a name of 1 to 63 bytes without '/'\n");
  EXPECT_STREQ(settings.name, "");
}

TEST_F(SettingsTest, ErrnoIsKept) {
  Settings settings;
  errno = 4711;
  load_settings(settings);
  EXPECT_EQ(errno, 4711);
}

// Run by the test below in a program with an environment of its own.
TEST(SettingsFromProc, DISABLED_Child) {
  char** const saved = environ;
  environ = nullptr;
  Settings settings;
  load_settings(settings);
  environ = saved;
  EXPECT_EQ(settings.decay_ms, 77);
  EXPECT_EQ(settings.check, static_cast<int64_t>(CheckLevel::kHardened));
  EXPECT_EQ(settings.stats, static_cast<int64_t>(StatsMode::kOff));
}

TEST(SettingsFromProc, WorksBeforeLibcHasAnEnvironment) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const std::string padding = "PADDING=" + std::string(3000, 'p');  // Longer than any buffer.
    const char* arguments[] = {"settings", "--gtest_filter=SettingsFromProc.DISABLED_Child",
                               "--gtest_also_run_disabled_tests", "--gtest_brief=1", nullptr};
    const char* environment[] = {padding.c_str(), "TENURE_DECAY_MS=77", "XTENURE_STATS=exit",
                                 "TENURE_CHECK=hardened", nullptr};
    execve("/proc/self/exe", const_cast<char**>(arguments), const_cast<char**>(environment));
    _exit(127);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 127) GTEST_SKIP() << "the program cannot be executed again";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace tenure
