// The compiled form of a rule file: the tool writes it, the library reads it.
//
//   header | tenants | rules | strings
//
// Records have a fixed size and refer to strings by their offset. Each string ends with a 0 byte; the string at offset 0 is empty and
// means "not given". The library trusts nothing: view_of() checks every offset before a record is used.
//
// The compiled form lies in a Share: one memory file that all processes of a service map. The file holds two images. Its generation selects
// the valid one. `tenure rules load` writes the other image and then publishes it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace tenure::rules {

enum LimitBit : uint8_t { kMin = 1, kLow = 2, kHigh = 4, kMax = 8, kReserve = 16 };
constexpr unsigned kLimitKinds = 5;
constexpr uint8_t kNoPolicy = 255;

// The settings of a new tenant.
struct Limits {
  uint64_t bytes[kLimitKinds];  // In the order of enum tenure_limit.
  uint8_t given;                // LimitBit of each that the file gives.
  uint8_t policy;               // enum tenure_policy, or kNoPolicy.
  uint8_t isolated;
  uint8_t unused[5];
};

// [tenant."/path"]
struct TenantRecord {
  uint32_t path;
  uint32_t unused;
  Limits limits;
};

enum class Family : uint8_t { kAny, kInet, kUnix };

// IPv4 addresses are kept as IPv6 ones (::ffff:a.b.c.d), so that one comparison serves both.
struct Prefix {
  uint8_t address[16];
  uint8_t bits;  // 0 to 128
  Family family;
  uint8_t unused[2];
};

enum RuleKind : uint32_t { kThreadRule = 1, kProcessRule = 2, kConnectionRule = 4 };

// [[rule]]: all given conditions must hold. Strings are globs.
struct RuleRecord {
  uint32_t kind;
  uint32_t thread, library, symbol;
  uint32_t process, command;
  uint32_t peer_process;
  uint32_t listen_path;  // With Family::kUnix.
  Prefix listen;         // Bits 128, or 0: any address.
  uint32_t listen_port;  // 0: any.
  Prefix peer;
  uint32_t peer_uid;
  uint32_t has_peer_uid;
  uint32_t tenant;  // A template.
  uint32_t cap;     // The number of tenants of the template that may be online at once.
  Limits limits;
};

constexpr char kMagic[8] = {'T', 'E', 'N', 'R', 'U', 'L', 'E', '1'};

struct Header {
  char magic[8];
  uint32_t bytes;  // Of the whole image.
  uint32_t tenants, rules, strings;
};

constexpr uint32_t kMostRules = 1024;
constexpr uint32_t kMostTenants = 1024;
constexpr uint32_t kDefaultCap = 1000;
constexpr uint32_t kMostCap = 20000;
constexpr uint32_t kImageBytes = 1u << 20;

struct Share {
  char magic[8];
  std::atomic<uint32_t>
      generation;  // Only the writer raises it, which holds flock(2) on the file. 0: nothing was written.
  uint32_t image_bytes;  // kImageBytes.
  char unused[4096 - 16];
};
static_assert(sizeof(Share) == 4096);
constexpr size_t kShareBytes = sizeof(Share) + 2 * size_t{kImageBytes};
constexpr char kShareName[] = "tenure-rules";

// A checked image.
struct View {
  const TenantRecord* tenants = nullptr;
  const RuleRecord* rules = nullptr;
  const char* strings = nullptr;
  uint32_t tenant_count = 0, rule_count = 0;
  uint32_t kinds = 0;  // RuleKind of all rules.

  const char* text(uint32_t offset) const { return strings + offset; }
};

// False if the bytes are no image, or if a record refers to a missing part.
bool view_of(const void* image, size_t bytes, View& view);

}  // namespace tenure::rules
