// Corruption found at run time: one clear line, then abort. Nothing here allocates.
#pragma once

#include <cstdint>

#include "base/words/attributes.h"

namespace tenure {

enum class Misuse : uint8_t {
  kDoubleFree,
  kForeignPointer,
  kInteriorPointer,
  kMisalignedPointer,
  kWrongClass,
  kCorruptedChain,
};

// Writes "tenure: <what>: pointer 0x..., tenant <path>, class <bytes>" and aborts. The tenant is the one that pays for the object, or
// paid for it last; what is not known any more is left out. Async-signal-safe.
[[noreturn]] TENURE_SLOW void report_misuse(Misuse what, const void* pointer);

// Finds out what is wrong with a pointer that is no live object, and reports it.
[[noreturn]] TENURE_SLOW void report_bad_pointer(const void* pointer);

}  // namespace tenure
