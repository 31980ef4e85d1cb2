#include "rules/matching/path_template.h"

#include <arpa/inet.h>
#include <string.h>

namespace tenure::rules {

// In the order of the switch in write_field().
const Field kFields[] = {
    {"tid", kThreadRule},
    {"thread", kThreadRule},
    {"pid", kThreadRule | kProcessRule | kConnectionRule},
    {"process", kThreadRule | kProcessRule | kConnectionRule},
    {"library", kThreadRule},
    {"symbol", kThreadRule},
    {"peer.addr", kConnectionRule},
    {"peer.port", kConnectionRule},
    {"peer.uid", kConnectionRule},
    {"peer.exe", kConnectionRule},
    {"listen.port", kConnectionRule},
};
const unsigned kFieldCount = sizeof kFields / sizeof *kFields;

namespace {

enum FieldIndex {
  kTid,
  kThread,
  kPid,
  kProcess,
  kLibrary,
  kSymbol,
  kPeerAddr,
  kPeerPort,
  kPeerUid,
  kPeerExe,
  kListenPort
};

constexpr size_t kMostName = kNameBytes - 1;

// Appends to a name. Text that does not fit is cut.
class Name {
public:
  void add(const char* text, size_t length) {
    for (; length != 0 && size_ < kMostName; --length) text_[size_++] = *text++;
  }
  void add(const char* text) { add(text, strlen(text)); }
  void add(uint64_t number) {
    char digits[20];
    unsigned at = sizeof digits;
    do {
      digits[--at] = static_cast<char>('0' + number % 10);
      number /= 10;
    } while (number != 0);
    add(digits + at, sizeof digits - at);
  }
  size_t finish() { return size_ = clean_name(text_, size_); }
  const char* text() const { return text_; }

private:
  char text_[kNameBytes] = {};
  size_t size_ = 0;
};

void write_address(Name& name, const Endpoint& end) {
  if (end.family != Family::kInet) {
    name.add(end.family == Family::kUnix ? "unix" : "unknown");
    return;
  }
  static constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  char text[INET6_ADDRSTRLEN];
  const bool is_v4 = memcmp(end.address, kMapped, sizeof kMapped) == 0;
  const char* const written = is_v4 ? inet_ntop(AF_INET, end.address + 12, text, sizeof text)
                                    : inet_ntop(AF_INET6, end.address, text, sizeof text);
  name.add(written ? written : "unknown");
}

void write_connection_field(Name& name, int field, const ConnectionFacts& facts) {
  switch (field) {
  case kPeerAddr:
    return write_address(name, facts.peer);
  case kPeerPort:
    return name.add(facts.peer.port);
  case kPeerUid:
    return facts.has_credentials ? name.add(facts.uid) : name.add("unknown");
  case kPeerExe:
    return name.add(facts.executable[0] != '\0' ? facts.executable : "unknown");
  case kListenPort:
    return name.add(facts.local.port);
  default:
    return;
  }
}

void write_field(Name& name, int field, const Facts& facts) {
  switch (field) {
  case kTid:
    return name.add(facts.thread.tid);
  case kThread:
    return name.add(facts.thread.name);
  case kPid:
    return name.add(facts.process.pid);
  case kProcess:
    return name.add(facts.process.name);
  case kLibrary:
    return name.add(facts.thread.library);
  case kSymbol:
    return name.add(facts.thread.symbol);
  default:
    if (facts.connection != nullptr) write_connection_field(name, field, *facts.connection);
  }
}

// The field that begins at `at` (a '{'), and the place behind it; -1 without a field, which the tool does not accept.
int field_at(const char* at, const char*& behind) {
  const char* const end = strchr(at, '}');
  if (end == nullptr) return -1;
  behind = end + 1;
  return find_field_index(at + 1, static_cast<size_t>(end - at - 1));
}

bool is_fit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         (c != '\0' && strchr("._:@+-", c) != nullptr);
}

}  // namespace

int find_field_index(const char* name, size_t length) {
  for (unsigned i = 0; i < kFieldCount; ++i) {
    if (strlen(kFields[i].name) == length && memcmp(kFields[i].name, name, length) == 0)
      return static_cast<int>(i);
  }
  return -1;
}

bool is_template(const char* path) { return strchr(path, '{') != nullptr; }

bool needs_thread(const char* path) {
  for (const char* p = strchr(path, '{'); p != nullptr; p = strchr(p + 1, '{')) {
    const char* behind = nullptr;
    const int field = field_at(p, behind);
    if (field == kTid || field == kThread || field == kSymbol) return true;
  }
  return false;
}

size_t clean_name(char* name, size_t length) {
  for (size_t i = 0; i < length; ++i) {
    if (!is_fit(name[i])) name[i] = '_';
  }
  if (length == 0) name[length++] = '_';
  if (name[0] == '.' && (length == 1 || (length == 2 && name[1] == '.'))) name[0] = '_';
  return length;
}

bool expand(const char* path, const Facts& facts, char (&result)[kPathBytes],
            size_t& shared_length) {
  size_t size = 0;
  bool has_field = false;
  const char* p = path;
  while (*p == '/') {
    ++p;
    Name name;
    const size_t above = size;
    bool is_field_here = false;
    while (*p != '\0' && *p != '/') {
      const char* behind = p + 1;
      const int field = *p == '{' ? field_at(p, behind) : -1;
      if (field < 0) {
        name.add(p, 1);
      } else {
        write_field(name, field, facts);
        is_field_here = true;
      }
      p = field < 0 ? p + 1 : behind;
    }
    if (is_field_here && !has_field) {
      has_field = true;
      shared_length = above;
    }
    const size_t length = name.finish();
    if (size + 1 + length >= kPathBytes) return false;
    result[size++] = '/';
    memcpy(result + size, name.text(), length);
    size += length;
  }
  result[size] = '\0';
  if (!has_field) shared_length = size;
  return size != 0;
}

}  // namespace tenure::rules
