// How to get from a function to its caller, as the compiler has written it down for each instruction (DWARF call frame information, in the
// section .eh_frame of each object). What a walk of the stack needs of it: where the frame begins, where the return address and the
// caller's frame pointer lie. Source: DWARF 5, section 6.4; Linux Standard Base, "Exception Frames".
//
// libgcc's unwinder reads the same tables, but is no part of libc, and its state for all registers is large. This one follows two
// registers, by which all but hand-written code finds its frame.
#pragma once

#include <cstdint>

namespace tenure {

// Of one instruction. CFA (canonical frame address): the stack pointer before the call of the function.
struct FrameRule {
  enum Kind : uint8_t {
    kNone,        // Nothing is known of the code: no table, or something that is not understood.
    kFromStack,   // CFA = stack pointer + offset
    kFromFrame,   // CFA = frame pointer + offset
    kFromMemory,  // CFA = *(frame pointer + offset): functions that align their stack
    kSignal,  // The kernel's frame: the registers of what was interrupted lie at the stack pointer.
    kEnd,     // The outermost function.
  };
  // Where the caller's value lies.
  enum Place : uint8_t {
    kSame,
    kAtCfa,
    kAtFrame
  };  // In the register still; CFA + offset; frame pointer + offset.

  int16_t offset_low = 0;  // Of the CFA, in bytes: 24 bits.
  int8_t offset_high = 0;
  int8_t frame_offset = 0;  // In units of 8 bytes, as the next.
  int8_t return_offset = 0;
  Kind kind = kNone;
  Place frame_place = kSame;   // Of the frame pointer.
  Place return_place = kSame;  // Of the return address.

  int32_t cfa_offset() const { return offset_high * 65536 + static_cast<uint16_t>(offset_low); }
  bool set_cfa_offset(int64_t offset);
};
static_assert(sizeof(FrameRule) == 8);

// The rule for the instruction at `address`, in code whose table (.eh_frame_hdr) is given. Async-signal-safe.
FrameRule find_frame_rule(const void* frame_table, uint64_t address);

}  // namespace tenure
