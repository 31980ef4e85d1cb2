// The compiler's rules for the way from a function to its caller, for each instruction (DWARF call frame information, in the section
// .eh_frame of each object). A stack walk needs the start of the frame, and the places of the return address and of the caller's frame
// pointer. Source: DWARF 5, section 6.4; Linux Standard Base, "Exception Frames".
//
// libgcc's unwinder reads the same tables, but it is no part of libc, and its state for all registers is large. This reader follows two
// registers, which suffice for all code except hand-written assembly.
#pragma once

#include <cstdint>

namespace tenure {

// The rule of one instruction. CFA (canonical frame address): the stack pointer before the call of the function.
struct FrameRule {
  enum Kind : uint8_t {
    kNone,        // No rule: the code has no table, or the reader does not understand it.
    kFromStack,   // CFA = stack pointer + offset
    kFromFrame,   // CFA = frame pointer + offset
    kFromMemory,  // CFA = *(frame pointer + offset): functions that align their stack
    kSignal,  // The kernel's frame: the registers of the interrupted code are at the stack pointer.
    kEnd,     // The outermost function.
  };
  // The place of the caller's value.
  enum Place : uint8_t {
    kSame,
    kAtCfa,
    kAtFrame
  };  // Still in the register; at CFA + offset; at frame pointer + offset.

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
