// rcu/rseq_ops.h for x86-64. Plain asm with outputs and exits inside the section: asm goto with outputs is miscompiled by
// GCC 12.2.
#pragma once


namespace tenure {

// The sections' flag ? puts them into the group of the function, so that they are kept or dropped with it.
// Local labels: 1 start of the section, 2 its end (behind the commit), 3 descriptor, 4 abort handler, 5 entry.
// The abort handler's signature must be RSEQ_SIG as glibc registered it, encoded as an operand of ud1.
#define TENURE_RSEQ_BEGIN(scratch)                   \
  ".pushsection __rseq_cs, \"aw?\"\n\t"               \
  ".balign 32\n"                                     \
  "3:\n\t"                                           \
  ".long 0, 0\n\t"                                   \
  ".quad 1f, 2f - 1f, 4f\n\t"                        \
  ".popsection\n\t"                                  \
  ".pushsection __rseq_cs_ptr_array, \"aw?\"\n\t"     \
  ".quad 3b\n\t"                                     \
  ".popsection\n"                                    \
  "5:\n\t"                                           \
  "leaq 3b(%%rip), " scratch "\n\t"                   \
  "movq " scratch ", %%fs:8(%[rseq])\n"               \
  "1:\n\t"                                           \
  "movslq %%fs:4(%[rseq]), " scratch "\n\t"           \
  "shlq $20, " scratch "\n\t"

#define TENURE_RSEQ_END                                  \
  "2:\n\t"                                               \
  ".pushsection __rseq_failure, \"ax?\"\n\t"              \
  ".byte 0x0f, 0xb9, 0x3d\n\t"                           \
  ".long 0x53053053\n"                                   \
  "4:\n\t"                                               \
  "jmp 5b\n"

// `front_offset` holds the front's offset, `in_front` is the slot's place within it.
TENURE_INLINE void* rseq_pop(char* base, ptrdiff_t rseq, const uint32_t& front_offset, uint64_t in_front) {
  uint64_t area, word, rest;
  void* object;
  asm volatile(TENURE_RSEQ_BEGIN("%[area]")
               "movl %[front_offset], %k[word]\n\t"
               "addq %[slot], %[area]\n\t"
               "addq %[word], %[area]\n\t"
               "movq (%[area]), %[word]\n\t"
               "movq %[word], %[object]\n\t"
               "shrq $16, %[object]\n\t"
               "jz 2f\n\t"
               "movq (%[object]), %[rest]\n\t"
               "incl %k[word]\n\t"
               "cmpw %w[rest], %w[word]\n\t"
               "jne 6f\n\t"
               "movq %[rest], (%[area])\n"
               TENURE_RSEQ_END
               "6:\n\t"  // The chain is broken: to the slow path, which says so.
               "xorl %k[object], %k[object]\n\t"
               "jmp 2b\n\t"
               ".popsection"
               : [object] "=&a"(object), [area] "=&r"(area), [word] "=&r"(word), [rest] "=&r"(rest)
               : [rseq] "r"(rseq), [slot] "r"(base + in_front), [front_offset] "m"(front_offset)
               : "cc", "memory");
  return object;
}

// `entry` holds the offset of the slot pair of the object's class and owner; the free list is its second word. asm goto without outputs
// is safe, and saves testing the outcome again; hence scratch registers by name.
TENURE_INLINE bool rseq_push(char* const& base, ptrdiff_t rseq, const uint32_t& entry, void* object) {
  asm goto(TENURE_RSEQ_BEGIN("%%r10")
           "movl %[entry], %%r11d\n\t"
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
           "movq %%r11, 8(%%r10)\n"
           TENURE_RSEQ_END
           ".popsection"
           :
           : [rseq] "r"(rseq), [base] "m"(base), [entry] "m"(entry), [object] "r"(object),
             [pushed] "r"(reinterpret_cast<uint64_t>(object) << kRoomBits)
           : "r9", "r10", "r11", "cc", "memory"
           : full);
  return true;
full:
  return false;
}

// Returns the word that was there; it was replaced if that equals `expected`.
TENURE_INLINE ChainWord rseq_compare_exchange(char* base, ptrdiff_t rseq, uint64_t offset, ChainWord expected,
                                              ChainWord desired) {
  uint64_t area;
  ChainWord word;
  asm volatile(TENURE_RSEQ_BEGIN("%[area]")
               "addq %[base], %[area]\n\t"
               "movq (%[area], %[offset]), %[word]\n\t"
               "cmpq %[expected], %[word]\n\t"
               "jne 2f\n\t"
               "movq %[desired], (%[area], %[offset])\n"
               TENURE_RSEQ_END
               ".popsection"
               : [area] "=&r"(area), [word] "=&r"(word)
               : [rseq] "r"(rseq), [base] "r"(base), [offset] "r"(offset), [expected] "r"(expected),
                 [desired] "r"(desired)
               : "cc", "memory");
  return word;
}

#undef TENURE_RSEQ_BEGIN
#undef TENURE_RSEQ_END

}  // namespace tenure

