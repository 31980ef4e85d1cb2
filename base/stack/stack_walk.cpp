#include "base/stack/stack_walk.h"

#include <errno.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#include <atomic>
#include <bit>

#include "base/stack/frame_rules.h"
#include "base/system/loaded_object.h"
#include "base/system/sandbox.h"
#include "base/words/attributes.h"

namespace tenure {
namespace {

struct Registers {
  uint64_t pc, sp, fp;
  uint64_t link;  // aarch64: the return address of a function that has not saved it.
};

// ---- rules that were found before ----

// {address and generation, exclusive-or rule; rule}. If another thread has written one half of an entry, the entry names no address. So
// relaxed order suffices.
struct Remembered {
  std::atomic<uint64_t> key, rule;
};
constexpr size_t kRemembered = 2048;
constinit Remembered remembered[kRemembered]{};
// The generation of code. Raised when an object is unloaded.
constinit std::atomic<uint64_t> generation{1};

FrameRule rule_for(uint64_t address) {
  const uint64_t name = address ^ generation.load(std::memory_order_acquire) << 48;
  Remembered& entry = remembered[(address ^ address >> 11) % kRemembered];
  const uint64_t known = entry.rule.load(std::memory_order_relaxed);
  if ((entry.key.load(std::memory_order_relaxed) ^ known) == name)
    return std::bit_cast<FrameRule>(known);
  const FrameRule rule = find_frame_rule(LoadedCode::of(address).frame_table, address);
  const auto word = std::bit_cast<uint64_t>(rule);
  entry.key.store(name ^ word, std::memory_order_relaxed);
  entry.rule.store(word, std::memory_order_relaxed);
  return rule;
}

// ---- steps ----

uint64_t word_at(uint64_t address) { return *reinterpret_cast<const uint64_t*>(address); }

// Signatures of pointer authentication lie above the bits of addresses.
uint64_t plain_address(uint64_t address) { return address & 0xffffffffffff; }

// A larger frame counts as a mistake.
constexpr uint64_t kLargestFrame = uint64_t{16} << 20;
constexpr uint64_t kLowestAddress = 4096;

bool step_by_rule(const FrameRule& rule, Registers& at, bool innermost) {
  const auto offset = static_cast<uint64_t>(int64_t{rule.cfa_offset()});
  uint64_t cfa;
  if (rule.kind == FrameRule::kFromStack) {
    cfa = at.sp + offset;
  } else {
    // The function has set the frame pointer, which must be above the stack pointer.
    if (at.fp - at.sp >= kLargestFrame || at.fp % 8 != 0) return false;
    cfa = rule.kind == FrameRule::kFromFrame ? at.fp + offset : word_at(at.fp + offset);
  }
  if (cfa - at.sp >= kLargestFrame || cfa % 8 != 0 || (cfa == at.sp && !innermost)) return false;
  const auto value_of = [&](FrameRule::Place place, int8_t units, uint64_t same) {
    const auto bytes = static_cast<uint64_t>(int64_t{units} * 8);
    return place == FrameRule::kSame    ? same
           : place == FrameRule::kAtCfa ? word_at(cfa + bytes)
                                        : word_at(at.fp + bytes);
  };
  if (rule.return_place == FrameRule::kSame && (at.link == 0 || !innermost)) return false;
  const uint64_t back = value_of(rule.return_place, rule.return_offset, at.link);
  const uint64_t fp = value_of(rule.frame_place, rule.frame_offset, at.fp);
  at = {plain_address(back), cfa, fp, 0};
  return true;
}

// Steps to the interrupted code. The kernel has stored its registers at the value that the stack pointer has when the handler has returned.
void step_over_signal(Registers& at) {
#if defined(__x86_64__)
  const auto* const context = reinterpret_cast<const ucontext_t*>(at.sp);
  const auto& registers = context->uc_mcontext.gregs;
  at = {static_cast<uint64_t>(registers[REG_RIP]), static_cast<uint64_t>(registers[REG_RSP]),
        static_cast<uint64_t>(registers[REG_RBP]), 0};
#else
  const auto* const context = reinterpret_cast<const ucontext_t*>(at.sp + sizeof(siginfo_t));
  const auto& registers = context->uc_mcontext;
  at = {registers.pc, registers.sp, registers.regs[29], plain_address(registers.regs[30])};
#endif
}

// In code without a table the register is only likely to be a frame pointer. So the kernel reads the memory behind it, and refuses if
// nothing is mapped there.
bool step_by_frame_pointer(Registers& at) {
  if (at.fp <= at.sp || at.fp - at.sp >= kLargestFrame || at.fp % 8 != 0 || is_filtered())
    return false;
  uint64_t frame[2] = {};  // The caller's frame pointer, and the return address.
  const iovec here{frame, sizeof frame}, there{reinterpret_cast<void*>(at.fp), sizeof frame};
  if (syscall(SYS_process_vm_readv, getpid(), &here, 1, &there, 1, 0) != sizeof frame) return false;
  at = {plain_address(frame[1]), at.fp + sizeof frame, frame[0], 0};
  return true;
}

// The registers of the function that this code is inlined into, at this instruction.
TENURE_INLINE Registers registers_here() {
  uint64_t words[3];
#if defined(__x86_64__)
  asm volatile("leaq 1f(%%rip), %%rax\n1:\n\t"
               "movq %%rax, (%1)\n\t"
               "movq %%rsp, 8(%1)\n\t"
               "movq %%rbp, 16(%1)"
               : "=m"(words)
               : "r"(words)
               : "rax", "memory");
#else
  asm volatile("adr x9, 1f\n1:\n\t"
               "str x9, [%1]\n\t"
               "mov x9, sp\n\t"
               "str x9, [%1, #8]\n\t"
               "str x29, [%1, #16]"
               : "=m"(words)
               : "r"(words)
               : "x9", "memory");
#endif
  return {words[0], words[1], words[2], 0};
}

// The library's own code; empty if the library is part of the program.
LoadedCode own_code() {
  // {start, end} of code that is never unloaded; 1: not looked up yet. Relaxed: all threads write the same.
  static constinit std::atomic<uint64_t> start{1}, end{0};
  LoadedCode own;
  own.start = start.load(std::memory_order_acquire);
  own.end = end.load(std::memory_order_relaxed);
  if (own.start != 1) return own;
  own = LoadedCode::of(reinterpret_cast<uint64_t>(&own_code));
  if (own.contains(getauxval(AT_ENTRY))) own = {};
  end.store(own.end, std::memory_order_relaxed);
  start.store(own.start, std::memory_order_release);
  return own;
}

bool step(Registers& at, bool innermost, bool& interrupted) {
  // If a call is its function's last instruction, the return address belongs to another function. So the lookup uses the byte before.
  const FrameRule rule = rule_for(innermost ? at.pc : at.pc - 1);
  interrupted = rule.kind == FrameRule::kSignal;
  switch (rule.kind) {
  case FrameRule::kEnd:
    return false;
  case FrameRule::kNone:
    return step_by_frame_pointer(at);
  case FrameRule::kSignal:
    step_over_signal(at);
    return true;
  default:
    return step_by_rule(rule, at, innermost);
  }
}

}  // namespace

TENURE_NOINLINE size_t walk_stack(const void** frames, size_t most) {
  const int saved = errno;
  const LoadedCode own = own_code();
  Registers at = registers_here();
  size_t depth = 0;
  bool innermost = true, inside = true;
  // Frames of our own are few.
  for (size_t steps = 0; depth < most && steps < most + 64; ++steps) {
    bool interrupted = false;
    if (!step(at, innermost, interrupted) || at.pc < kLowestAddress) break;
    innermost = interrupted;
    inside = inside && own.contains(at.pc);
    if (!inside) frames[depth++] = reinterpret_cast<const void*>(at.pc);
  }
  errno = saved;
  return depth;
}

void forget_frame_rules() { generation.fetch_add(1, std::memory_order_acq_rel); }

}  // namespace tenure
