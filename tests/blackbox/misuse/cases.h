#pragma once

#include <stddef.h>

namespace blackbox {

// When a mistake must be found.
enum class Found {
  kAtOnce,      // by the very call that makes it
  kEventually,  // by kLaterOperations of ordinary use afterwards
  kMaybe,       // not required; where it is found, with the right message
};

struct MisuseCase {
  const char* name;
  void (*commit)();      // makes the mistake; says on stdout which pointer the message must name
  size_t class_size;     // what is used afterwards: objects of this size
  Found fast;            // TENURE_CHECK=fast
  Found hardened;        // TENURE_CHECK=hardened
  const char* messages;  // which of them are right, separated by |
};

extern const MisuseCase misuse_cases[];
extern const size_t misuse_case_count;

}  // namespace blackbox
