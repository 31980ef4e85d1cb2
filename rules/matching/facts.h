// The subjects of matching: facts on a thread, a process, a connection.
#pragma once

#include <cstdint>

#include "rules/matching/table.h"

namespace tenure::rules {

constexpr unsigned kNameBytes = 64;  // With the 0; a tenant's name has no more.

struct ProcessFacts {
  const char* name = "";     // As /proc/PID/comm
  const char* command = "";  // The command line, blanks between arguments
  uint32_t pid = 0;
};

struct ThreadFacts {
  const char* name = "";
  const char* library = "";  // File name of the start routine's library
  const char* symbol = "";   // Name of the start routine
  uint32_t tid = 0;
  bool is_constructor = false;  // No thread: dlopen() of the library
};

// An end of a connection.
struct Endpoint {
  Family family = Family::kAny;
  uint8_t address[16] = {};  // IPv6, or IPv4 as ::ffff:a.b.c.d
  uint16_t port = 0;
  char path[108] = {};  // Of a unix socket; "@name" for abstract ones.
};

struct ConnectionFacts {
  Endpoint local, peer;
  bool has_credentials = false;  // Of unix sockets only.
  uint32_t uid = 0;
  char process[16] = {};             // The peer's /proc/PID/comm
  char executable[kNameBytes] = {};  // File name of its executable
};

struct Facts {
  ProcessFacts process;
  ThreadFacts thread;
  const ConnectionFacts* connection = nullptr;
};

// Whether the address lies in the prefix.
bool is_within(const Prefix& prefix, const uint8_t (&address)[16]);

// The first matching rule of that kind, or nullptr. A rule on a library's constructors must not name threads.
const RuleRecord* find_rule(const View& view, RuleKind kind, const Facts& facts);

}  // namespace tenure::rules
