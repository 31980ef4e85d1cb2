// rcu/rseq_ops.h for x86-64. The sections are plain asm with outputs, with exits inside the section, because GCC 12.2 miscompiles asm goto
// with outputs.
#pragma once

namespace tenure {

// The flag ? of the ELF sections puts them into the group of the function, so that the linker keeps or drops them with it. Local labels: 1
// start of the section, 2 its end (behind the commit), 3 descriptor, 4 abort handler, 5 entry. The abort handler's signature must be
// RSEQ_SIG as glibc registered it, encoded as an operand of ud1.
#define TENURE_RSEQ_DESCRIPTOR(label, start, end) \
  ".pushsection __rseq_cs, \"aw?\"\n\t"           \
  ".balign 32\n" label ":\n\t"                    \
  ".long 0, 0\n\t"                                \
  ".quad " start ", " end " - " start ", 4f\n\t"  \
  ".popsection\n\t"                               \
  ".pushsection __rseq_cs_ptr_array, \"aw?\"\n\t" \
  ".quad " label "b\n\t"                          \
  ".popsection\n"

// Arms descriptor `label`; from `start` on, `scratch` is the area of the CPU.
#define TENURE_RSEQ_ENTER(label, start, scratch)      \
  "leaq " label "b(%%rip), " scratch "\n\t"           \
  "movq " scratch ", %%fs:8(%[rseq])\n" start ":\n\t" \
  "movslq %%fs:4(%[rseq]), " scratch "\n\t"           \
  "shlq $" TENURE_CPU_SHIFT ", " scratch "\n\t"

#define TENURE_RSEQ_BEGIN(scratch)        \
  TENURE_RSEQ_DESCRIPTOR("3", "1f", "2f") \
  "5:\n\t" TENURE_RSEQ_ENTER("3", "1", scratch)

#define TENURE_RSEQ_END                      \
  "2:\n\t"                                   \
  ".pushsection __rseq_failure, \"ax?\"\n\t" \
  ".byte 0x0f, 0xb9, 0x3d\n\t"               \
  ".long 0x53053053\n"                       \
  "4:\n\t"                                   \
  "jmp 5b\n"

// The pop of one word: the area's register ends as the word's address. `empty` is the label for an empty list.
#define TENURE_RSEQ_POP(empty)         \
  TENURE_RSEQ_BEGIN("%[area]")         \
  "movl %[front_offset], %k[word]\n\t" \
  "addq %[slot], %[area]\n\t"          \
  "addq %[word], %[area]\n\t"          \
  "movq (%[area]), %[word]\n\t"        \
  "movq %[word], %[object]\n\t"        \
  "shrq $16, %[object]\n\t"            \
  "jz " empty "\n\t"                   \
  "movq (%[object]), %[rest]\n\t"      \
  "incl %k[word]\n\t"                  \
  "cmpw %w[rest], %w[word]\n\t"        \
  "jne 6f\n\t"                         \
  "movq %[rest], (%[area])\n" TENURE_RSEQ_END

// Ends the code out of line with a jump to the slow path, which finds the reason: a broken chain, for example.
#define TENURE_RSEQ_POP_END         \
  "6:\n\t"                          \
  "xorl %k[object], %k[object]\n\t" \
  "jmp 2b\n\t"                      \
  ".popsection"

// `front_offset` holds the front's offset, `in_front` is the word's place within it.
TENURE_INLINE void* rseq_pop(char* base, ptrdiff_t rseq, const uint32_t& front_offset,
                             uint64_t in_front) {
  uint64_t area, word, rest;
  void* object;
  asm volatile(TENURE_RSEQ_POP("2f") TENURE_RSEQ_POP_END
               : [object] "=&a"(object), [area] "=&r"(area), [word] "=&r"(word), [rest] "=&r"(rest)
               : [rseq] "r"(rseq), [slot] "r"(base + in_front), [front_offset] "m"(front_offset)
               : "cc", "memory");
  return object;
}

// The swap is a section of its own, out of the straight path: 7 is its entry, 8 its start, 9 its end, 10 its descriptor. An abort repeats
// the whole operation.
TENURE_INLINE void* rseq_pop_pair(char* base, ptrdiff_t rseq, const uint32_t& front_offset,
                                  uint64_t in_front) {
  uint64_t area, word, rest;
  void* object;
  asm volatile(
      TENURE_RSEQ_DESCRIPTOR("10", "8f", "9f") TENURE_RSEQ_POP("7f") "7:\n\t" TENURE_RSEQ_ENTER(
          "10", "8",
          "%[area]") "movl %[front_offset], %k[word]\n\t"
                     "addq %[slot], %[area]\n\t"
                     "addq %[word], %[area]\n\t"
                     "movq (%[area]), %[word]\n\t"
                     "movq 8(%[area]), %[rest]\n\t"
                     "movq %[word], %%xmm1\n\t"
                     "decq %[word]\n\t"
                     "cmpq $0x7ffe, %[word]\n\t"  // Not open and empty: closed, stopped, or with objects again.
                     "ja 6f\n\t"
                     "movswl %w[rest], %k[object]\n\t"
                     "leal -2(%[object], %[object]), %k[object]\n\t"
                     "cmpl %k[word], %k[object]\n\t"  // 2 * room - 1 > limit: less than half a list.
                     "jg 6f\n\t"
                     "movq %[rest], %[object]\n\t"
                     "shrq $16, %[object]\n\t"
                     "jz 6f\n\t"
                     "movq (%[object]), %[word]\n\t"
                     "incl %k[rest]\n\t"
                     "cmpw %w[word], %w[rest]\n\t"
                     "jne 6f\n\t"
                     "movq %[word], %%xmm0\n\t"
                     "punpcklqdq %%xmm1, %%xmm0\n\t"
                     "movaps %%xmm0, (%[area])\n"
                     "9:\n\t"
                     "jmp 2b\n" TENURE_RSEQ_POP_END
      : [object] "=&a"(object), [area] "=&r"(area), [word] "=&r"(word), [rest] "=&r"(rest)
      : [rseq] "r"(rseq), [slot] "r"(base + in_front), [front_offset] "m"(front_offset)
      : "cc", "memory", "xmm0", "xmm1");
  return object;
}

// `entry` holds the offset of the slot pair of the object's class and owner; the free list is its second word. asm goto without outputs is
// safe, and makes a second test of the result unnecessary. It needs scratch registers by name.
TENURE_INLINE bool rseq_push(char* const& base, ptrdiff_t rseq, const uint32_t& entry,
                             void* object) {
  asm goto(
      TENURE_RSEQ_BEGIN(
          "%%r10") "movl %[entry], %%r11d\n\t"
                   "addq %[base], %%r10\n\t"
                   "addq %%r11, %%r10\n\t"
                   "movq 8(%%r10), %%r11\n\t"
                   "testw %%r11w, %%r11w\n\t"
                   "jle %l[full]\n\t"
                   "movq %%r11, %%r9\n\t"
                   "shrq $16, %%r9\n\t"
                   "cmpq %[object], %%r9\n\t"  // Already at the head: a double free, for the slow path to report.
                   "je %l[full]\n\t"
                   "movq %%r11, (%[object])\n\t"
                   "movzwl %%r11w, %%r11d\n\t"
                   "leaq -1(%[pushed], %%r11), %%r11\n\t"
                   "movq %%r11, 8(%%r10)\n" TENURE_RSEQ_END ".popsection"
      :
      : [rseq] "r"(rseq), [base] "m"(base), [entry] "m"(entry), [object] "r"(object),
        [pushed] "r"(reinterpret_cast<uint64_t>(object) << kRoomBits)
      : "r9", "r10", "r11", "cc", "memory"
      : full);
  return true;
full:
  return false;
}

// Returns the old word. The word was replaced if the old word equals `expected`.
TENURE_INLINE ChainWord rseq_compare_exchange(char* base, ptrdiff_t rseq, uint64_t offset,
                                              ChainWord expected, ChainWord desired) {
  uint64_t area;
  ChainWord word;
  asm volatile(
      TENURE_RSEQ_BEGIN("%[area]") "addq %[base], %[area]\n\t"
                                   "movq (%[area], %[offset]), %[word]\n\t"
                                   "cmpq %[expected], %[word]\n\t"
                                   "jne 2f\n\t"
                                   "movq %[desired], (%[area], %[offset])\n" TENURE_RSEQ_END
                                   ".popsection"
      : [area] "=&r"(area), [word] "=&r"(word)
      : [rseq] "r"(rseq), [base] "r"(base), [offset] "r"(offset), [expected] "r"(expected),
        [desired] "r"(desired)
      : "cc", "memory");
  return word;
}

// `slot` is the word's address in the area of CPU 0; `units` >= 2.
TENURE_INLINE bool rseq_take(char* slot, ptrdiff_t rseq, const uint16_t& units) {
  asm goto(TENURE_RSEQ_BEGIN("%%r10") "movl (%[slot], %%r10), %%r11d\n\t"
                                      "subw %[units], %%r11w\n\t"
                                      "jb %l[dry]\n\t"
                                      "movl %%r11d, (%[slot], %%r10)\n" TENURE_RSEQ_END
                                      ".popsection"
           :
           : [rseq] "r"(rseq), [slot] "r"(slot), [units] "m"(units)
           : "r10", "r11", "cc", "memory"
           : dry);
  return true;
dry:
  return false;
}

TENURE_INLINE bool rseq_give(char* slot, ptrdiff_t rseq, uint32_t units) {
  asm goto(TENURE_RSEQ_BEGIN("%%r10") "movl (%[slot], %%r10), %%r11d\n\t"
                                      "movl %%r11d, %%r9d\n\t"
                                      "addl %[units], %%r11d\n\t"
                                      "shrl $16, %%r9d\n\t"
                                      "cmpw %%r9w, %%r11w\n\t"
                                      "ja %l[full]\n\t"
                                      "movl %%r11d, (%[slot], %%r10)\n" TENURE_RSEQ_END
                                      ".popsection"
           :
           : [rseq] "r"(rseq), [slot] "r"(slot), [units] "r"(units)
           : "r9", "r10", "r11", "cc", "memory"
           : full);
  return true;
full:
  return false;
}

TENURE_INLINE uint32_t rseq_compare_exchange_half(char* slot, ptrdiff_t rseq, uint32_t expected,
                                                  uint32_t desired) {
  uint64_t area;
  uint32_t word;
  asm volatile(
      TENURE_RSEQ_BEGIN("%[area]") "movl (%[slot], %[area]), %[word]\n\t"
                                   "cmpl %[expected], %[word]\n\t"
                                   "jne 2f\n\t"
                                   "movl %[desired], (%[slot], %[area])\n" TENURE_RSEQ_END
                                   ".popsection"
      : [area] "=&r"(area), [word] "=&r"(word)
      : [rseq] "r"(rseq), [slot] "r"(slot), [expected] "r"(expected), [desired] "r"(desired)
      : "cc", "memory");
  return word;
}

#undef TENURE_RSEQ_DESCRIPTOR
#undef TENURE_RSEQ_ENTER
#undef TENURE_RSEQ_BEGIN
#undef TENURE_RSEQ_END
#undef TENURE_RSEQ_POP
#undef TENURE_RSEQ_POP_END

}  // namespace tenure
