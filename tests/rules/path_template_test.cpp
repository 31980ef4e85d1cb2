#include "rules/matching/path_template.h"

#include <gtest/gtest.h>

#include "rules/threads.h"

using namespace tenure::rules;

namespace {

struct Expanded {
  std::string path;
  size_t shared;
};

Expanded expanded(const char* path, const Facts& facts) {
  char result[kPathBytes];
  size_t shared = 0;
  if (!expand(path, facts, result, shared)) return {"(too long)", 0};
  return {result, shared};
}

TEST(PathTemplate, Fields) {
  ConnectionFacts connection;
  connection.peer.family = connection.local.family = Family::kInet;
  const uint8_t v4[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 2, 3};
  memcpy(connection.peer.address, v4, sizeof v4);
  connection.peer.port = 4000;
  connection.local.port = 80;
  connection.has_credentials = true;
  connection.uid = 7;
  strcpy(connection.executable, "client");
  Facts facts;
  facts.process = {"server", "server -x", 12};
  facts.thread = {"work er", "libx.so", "start", 34, false};
  facts.connection = &connection;
  EXPECT_EQ(expanded("/{pid}-{process}", facts).path, "/12-server");
  EXPECT_EQ(expanded("/{tid}/{thread}/{library}/{symbol}", facts).path,
            "/34/work_er/libx.so/start");
  EXPECT_EQ(expanded("/{peer.addr}/{peer.port}/{peer.uid}/{peer.exe}/{listen.port}", facts).path,
            "/10.1.2.3/4000/7/client/80");
  connection.peer.address[0] = 0xfd;
  EXPECT_EQ(expanded("/{peer.addr}", facts).path, "/fd00::ffff:a01:203");
  connection.peer.family = Family::kUnix;
  connection.has_credentials = false;
  EXPECT_EQ(expanded("/{peer.addr}/{peer.uid}", facts).path, "/unix/unknown");
}

TEST(PathTemplate, TheLevelAboveTheFirstField) {
  const Facts facts;
  EXPECT_EQ(expanded("/a/b/x-{tid}/{pid}", facts).shared, strlen("/a/b"));
  EXPECT_EQ(expanded("/{tid}", facts).shared, 0u);
  EXPECT_EQ(expanded("/a/b", facts).shared, strlen("/a/b"));
}

TEST(PathTemplate, NamesAreCleanedAndCut) {
  Facts facts;
  const auto name = [&](const char* thread) {
    facts.thread.name = thread;
    return expanded("/{thread}", facts).path;
  };
  EXPECT_EQ(name("a/b c\n\x80"), "/a_b_c__");
  EXPECT_EQ(name(""), "/_");
  EXPECT_EQ(name("."), "/_");
  EXPECT_EQ(name(".."), "/_.");
  EXPECT_EQ(name("..."), "/...");
  const std::string many(100, 'n');
  EXPECT_EQ(name(many.c_str()), "/" + std::string(63, 'n'));
  std::string deep;
  for (int i = 0; i < 5; ++i) deep += "/{thread}";
  EXPECT_EQ(expanded(deep.c_str(), facts).path, "(too long)");
}

TEST(PathTemplate, WhatOnlyThreadsHave) {
  EXPECT_TRUE(needs_thread("/a/{tid}"));
  EXPECT_TRUE(needs_thread("/{library}/{symbol}"));
  EXPECT_FALSE(needs_thread("/{library}/{pid}"));
  EXPECT_TRUE(is_template("/a{pid}"));
  EXPECT_FALSE(is_template("/a"));
}

TEST(ThreadNames, Split) {
  char plain[16];
  EXPECT_EQ(split_name("worker", 256, plain), nullptr);
  EXPECT_STREQ(plain, "worker");
  EXPECT_STREQ(split_name("worker@/a/b", 256, plain), "/a/b");
  EXPECT_STREQ(plain, "worker");
  EXPECT_EQ(split_name("me@home", 256, plain), nullptr);
  EXPECT_STREQ(plain, "me@home");
  EXPECT_STREQ(split_name("@/", 256, plain), "/");
  EXPECT_STREQ(plain, "");
  EXPECT_EQ(split_name("a@/b", 2, plain), nullptr) << "what may not be read is not";
  split_name("a name of more than fifteen", 256, plain);
  EXPECT_STREQ(plain, "a name of more ");
}

TEST(ThreadNames, PathsThatProgramsGive) {
  char clean[kPathBytes];
  EXPECT_TRUE(clean_path("/a//b c/", clean));
  EXPECT_STREQ(clean, "/a/b_c");
  EXPECT_TRUE(clean_path("/", clean));
  EXPECT_STREQ(clean, "");
  EXPECT_FALSE(clean_path("a", clean));
  EXPECT_FALSE(clean_path("", clean));
  std::string deep;
  for (int i = 0; i < 32; ++i) deep += "/x";
  EXPECT_FALSE(clean_path(deep.c_str(), clean));
  EXPECT_FALSE(
      clean_path(("/" + std::string(50, 'x') + "/" + std::string(60, 'y') + "/" +
                  std::string(60, 'z') + "/" + std::string(60, 'v') + "/" + std::string(60, 'w'))
                     .c_str(),
                 clean));
}

}  // namespace
