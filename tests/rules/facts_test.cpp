#include "rules/matching/facts.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include "tests/rules/image.h"

using namespace tenure::rules;

namespace {

Prefix prefix_of(const char* address, unsigned bits) {
  Prefix prefix{};
  prefix.family = Family::kInet;
  if (inet_pton(AF_INET, address, prefix.address + 12) == 1) {
    prefix.address[10] = prefix.address[11] = 0xff;
    bits += 96;
  } else {
    inet_pton(AF_INET6, address, prefix.address);
  }
  prefix.bits = static_cast<uint8_t>(bits);
  return prefix;
}

Endpoint end_of(const char* address, uint16_t port) {
  Endpoint end;
  end.family = Family::kInet;
  memcpy(end.address, prefix_of(address, 0).address, sizeof end.address);
  end.port = port;
  return end;
}

Endpoint unix_end(const char* path) {
  Endpoint end;
  end.family = Family::kUnix;
  strncpy(end.path, path, sizeof end.path - 1);
  return end;
}

bool within(const char* prefix, unsigned bits, const char* address) {
  return is_within(prefix_of(prefix, bits), end_of(address, 0).address);
}

TEST(RuleFacts, Prefixes) {
  EXPECT_TRUE(within("10.1.0.0", 16, "10.1.255.255"));
  EXPECT_FALSE(within("10.1.0.0", 16, "10.2.0.0"));
  EXPECT_TRUE(within("10.1.0.0", 15, "10.0.3.4"));
  EXPECT_FALSE(within("10.1.0.0", 17, "10.1.128.0"));
  EXPECT_TRUE(within("1.2.3.4", 32, "1.2.3.4"));
  EXPECT_FALSE(within("1.2.3.4", 32, "1.2.3.5"));
  EXPECT_TRUE(within("0.0.0.0", 0, "255.0.0.1"));
  EXPECT_FALSE(within("0.0.0.0", 0, "::1")) << "of IPv4 addresses alone";
  EXPECT_TRUE(within("::", 0, "1.2.3.4"));
  EXPECT_TRUE(within("fd00::", 8, "fdff::1"));
  EXPECT_FALSE(within("fd00::", 8, "fe00::1"));
}

TEST(RuleFacts, TheFirstRuleThatMatchesCounts) {
  Image image;
  const uint32_t worker = image.text("worker*"), all = image.text("*");
  image.rule(kThreadRule, "/a").thread = worker;
  image.rule(kThreadRule, "/b").thread = all;
  const View view = image.view();
  Facts facts;
  facts.thread.name = "worker-3";
  EXPECT_EQ(find_rule(view, kThreadRule, facts), &view.rules[0]);
  facts.thread.name = "other";
  EXPECT_EQ(find_rule(view, kThreadRule, facts), &view.rules[1]);
  EXPECT_EQ(find_rule(view, kProcessRule, facts), nullptr);
}

TEST(RuleFacts, AllConditionsMustHold) {
  Image image;
  const uint32_t thread = image.text("t"), library = image.text("lib*.so"),
                 symbol = image.text("start_*"), process = image.text("p"),
                 command = image.text("* --flag*");
  RuleRecord& rule = image.rule(kThreadRule, "/a");
  rule.thread = thread;
  rule.library = library;
  rule.symbol = symbol;
  rule.process = process;
  rule.command = command;
  const View view = image.view();
  Facts good;
  good.thread = {"t", "libx.so", "start_it", 1, false};
  good.process = {"p", "/bin/p --flag 1", 1};
  EXPECT_NE(find_rule(view, kThreadRule, good), nullptr);
  const auto fails = [&](auto change) {
    Facts bad = good;
    change(bad);
    return find_rule(view, kThreadRule, bad) == nullptr;
  };
  EXPECT_TRUE(fails([](Facts& f) { f.thread.name = "u"; }));
  EXPECT_TRUE(fails([](Facts& f) { f.thread.library = "x.so"; }));
  EXPECT_TRUE(fails([](Facts& f) { f.thread.symbol = ""; }));
  EXPECT_TRUE(fails([](Facts& f) { f.process.name = "q"; }));
  EXPECT_TRUE(fails([](Facts& f) { f.process.command = "/bin/p"; }));
}

TEST(RuleFacts, ConstructorsHaveRulesOfLibrariesAlone) {
  Image image;
  const uint32_t library = image.text("lib*.so"), thread = image.text("*");
  image.rule(kThreadRule, "/t/{tid}").library = library;  // For threads: a constructor is none.
  RuleRecord& both = image.rule(kThreadRule, "/both");
  both.library = library;
  both.thread = thread;
  image.rule(kThreadRule, "/a/{library}").library = library;
  const View view = image.view();
  Facts facts;
  facts.thread.library = "libx.so";
  EXPECT_EQ(find_rule(view, kThreadRule, facts), &view.rules[0]);
  facts.thread.is_constructor = true;
  EXPECT_EQ(find_rule(view, kThreadRule, facts), &view.rules[2]);
}

TEST(RuleFacts, Connections) {
  Image image;
  const uint32_t socket = image.text("/run/*.sock"), process = image.text("worker*");
  {
    RuleRecord& rule = image.rule(kConnectionRule, "/port");
    rule.listen = prefix_of("127.0.0.1", 32);
    rule.listen_port = 6379;
  }
  image.rule(kConnectionRule, "/net").peer = prefix_of("10.1.0.0", 16);
  {
    RuleRecord& rule = image.rule(kConnectionRule, "/uid");
    rule.has_peer_uid = 1;
    rule.peer_uid = 0;
  }
  image.rule(kConnectionRule, "/process").peer_process = process;
  {
    RuleRecord& rule = image.rule(kConnectionRule, "/unix");
    rule.listen.family = Family::kUnix;
    rule.listen_path = socket;
  }
  const View view = image.view();
  const auto found = [&](const ConnectionFacts& connection) {
    Facts facts;
    facts.connection = &connection;
    const RuleRecord* const rule = find_rule(view, kConnectionRule, facts);
    return rule ? std::string(view.text(rule->tenant)) : "";
  };
  ConnectionFacts inet;
  inet.local = end_of("127.0.0.1", 6379);
  inet.peer = end_of("10.1.2.3", 40000);
  EXPECT_EQ(found(inet), "/port");
  inet.local.port = 6380;
  EXPECT_EQ(found(inet), "/net");
  inet.peer = end_of("10.2.2.3", 40000);
  EXPECT_EQ(found(inet), "") << "a peer without credentials is no peer of uid 0";

  ConnectionFacts local;
  local.local = unix_end("/run/x.sock");
  EXPECT_EQ(found(local), "/unix");
  local.has_credentials = true;
  local.uid = 0;
  EXPECT_EQ(found(local), "/uid");
  local.uid = 1;
  strcpy(local.process, "worker7");
  EXPECT_EQ(found(local), "/process");
  strcpy(local.process, "other");
  local.local = unix_end("/tmp/x.sock");
  EXPECT_EQ(found(local), "");
}

TEST(RuleTable, DamagedImagesAreRefused) {
  Image image;
  image.rule(kThreadRule, "/a").thread = image.text("x");
  const std::vector<uint64_t> good = image.words();
  View view;
  ASSERT_TRUE(view_of(good.data(), good.size() * 8, view));
  for (size_t bytes = 0; bytes < good.size() * 8 - 8; ++bytes)
    EXPECT_FALSE(view_of(good.data(), bytes, view)) << bytes;
  // Every word set to all ones and to a large number: refused, or within bounds; a sanitizer says the rest.
  for (size_t i = 0; i < good.size(); ++i) {
    for (const uint64_t value : {UINT64_MAX, uint64_t{0x0000ffff0000ffff}}) {
      std::vector<uint64_t> bad = good;
      bad[i] = value;
      if (!view_of(bad.data(), bad.size() * 8, view)) continue;
      Facts facts;
      find_rule(view, kThreadRule, facts);
    }
  }
  std::vector<uint64_t> bad = good;
  reinterpret_cast<RuleRecord*>(reinterpret_cast<char*>(bad.data()) + sizeof(Header))->thread =
      1000;
  EXPECT_FALSE(view_of(bad.data(), bad.size() * 8, view));
}

}  // namespace
