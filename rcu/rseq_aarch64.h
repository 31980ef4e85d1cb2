// rcu/rseq_ops.h for aarch64.
#pragma once

namespace tenure {

// The flag ? of the ELF sections puts them into the group of the function, so that the linker keeps or drops them with it. Local labels as
// in rseq_x86_64.h. x16 and x17 are scratch registers of the procedure call standard.
#define TENURE_RSEQ_BEGIN                         \
  ".pushsection __rseq_cs, \"aw?\"\n\t"           \
  ".balign 32\n"                                  \
  "3:\n\t"                                        \
  ".long 0, 0\n\t"                                \
  ".quad 1f, 2f - 1f, 4f\n\t"                     \
  ".popsection\n\t"                               \
  ".pushsection __rseq_cs_ptr_array, \"aw?\"\n\t" \
  ".quad 3b\n\t"                                  \
  ".popsection\n"                                 \
  "5:\n\t"                                        \
  "adrp x16, 3b\n\t"                              \
  "add x16, x16, :lo12:3b\n\t"                    \
  "str x16, [%[thread], #8]\n"                    \
  "1:\n\t"                                        \
  "ldrsw x16, [%[thread], #4]\n\t"                \
  "add x16, %[base], x16, lsl #" TENURE_CPU_SHIFT "\n\t"

// Signature 0xd428bc00 (brk #0x45E0), as glibc registers on little-endian arm64.
#define TENURE_RSEQ_END                      \
  "2:\n\t"                                   \
  ".pushsection __rseq_failure, \"ax?\"\n\t" \
  ".long 0xd428bc00\n"                       \
  "4:\n\t"                                   \
  "b 5b\n"                                   \
  ".popsection"

TENURE_INLINE char* rseq_area(ptrdiff_t rseq) {
  return static_cast<char*>(__builtin_thread_pointer()) + rseq;
}

TENURE_INLINE void* rseq_pop(char* base, ptrdiff_t rseq, const uint32_t& front_offset,
                             uint64_t in_front) {
  uint64_t word, rest, object;
  asm volatile(
      TENURE_RSEQ_BEGIN
      "ldr w17, [%[front]]\n\t"
      "add x16, x16, x17\n\t"
      "ldr %[word], [x16, %[in_front]]\n\t"
      "lsr %[object], %[word], #16\n\t"
      "cbz %[object], 2f\n\t"
      "ldr %[rest], [%[object]]\n\t"
      "add %w[word], %w[word], #1\n\t"
      "eor %w[word], %w[word], %w[rest]\n\t"
      "tst %w[word], #0xffff\n\t"
      "csel %[object], %[object], xzr, eq\n\t"  // A broken chain goes to the slow path, which says so.
      "cbz %[object], 2f\n\t"
      "str %[rest], [x16, %[in_front]]\n" TENURE_RSEQ_END
      : [object] "=&r"(object), [word] "=&r"(word), [rest] "=&r"(rest)
      : [thread] "r"(rseq_area(rseq)), [base] "r"(base), [front] "r"(&front_offset),
        [in_front] "r"(in_front)
      : "x16", "x17", "cc", "memory");
  return reinterpret_cast<void*>(object);
}

// Two accesses store a pair of registers, and an interruption may fall between them. So there is no swap here.
TENURE_INLINE void* rseq_pop_pair(char* base, ptrdiff_t rseq, const uint32_t& front_offset,
                                  uint64_t in_front) {
  return rseq_pop(base, rseq, front_offset, in_front);
}

TENURE_INLINE bool rseq_push(char* const& base, ptrdiff_t rseq, const uint32_t& entry,
                             void* object) {
  uint64_t word, done;
  asm volatile(
      TENURE_RSEQ_BEGIN
      "ldr w17, [%[entry]]\n\t"
      "add x16, x16, x17\n\t"
      "mov %[done], #0\n\t"
      "ldr %[word], [x16, #8]\n\t"
      "sxth w17, %w[word]\n\t"
      "cmp w17, #0\n\t"
      "b.le 2f\n\t"
      "lsr %[done], %[word], #16\n\t"
      "cmp %[done], %[object]\n\t"
      "mov %[done], #0\n\t"
      "b.eq 2f\n\t"  // Already at the head: a double free, for the slow path to report.
      "str %[word], [%[object]]\n\t"
      "sub w17, w17, #1\n\t"
      "orr %[word], x17, %[object], lsl #16\n\t"
      "mov %[done], #1\n\t"
      "str %[word], [x16, #8]\n" TENURE_RSEQ_END
      : [word] "=&r"(word), [done] "=&r"(done)
      : [thread] "r"(rseq_area(rseq)), [base] "r"(base), [entry] "r"(&entry), [object] "r"(object)
      : "x16", "x17", "cc", "memory");
  return done != 0;
}

TENURE_INLINE ChainWord rseq_compare_exchange(char* base, ptrdiff_t rseq, uint64_t offset,
                                              ChainWord expected, ChainWord desired) {
  ChainWord word;
  asm volatile(TENURE_RSEQ_BEGIN "ldr %[word], [x16, %[offset]]\n\t"
                                 "cmp %[word], %[expected]\n\t"
                                 "b.ne 2f\n\t"
                                 "str %[desired], [x16, %[offset]]\n" TENURE_RSEQ_END
               : [word] "=&r"(word)
               : [thread] "r"(rseq_area(rseq)), [base] "r"(base), [offset] "r"(offset),
                 [expected] "r"(expected), [desired] "r"(desired)
               : "x16", "x17", "cc", "memory");
  return word;
}

// `slot` is the word's address in the area of CPU 0; `units` >= 2.
TENURE_INLINE bool rseq_take(char* slot, ptrdiff_t rseq, const uint16_t& wanted) {
  const uint32_t units = wanted;
  uint32_t word, done;
  asm volatile(TENURE_RSEQ_BEGIN "mov %w[done], #0\n\t"
                                 "ldr %w[word], [x16]\n\t"
                                 "uxth w17, %w[word]\n\t"
                                 "cmp w17, %w[units]\n\t"
                                 "b.lo 2f\n\t"
                                 "sub %w[word], %w[word], %w[units]\n\t"
                                 "mov %w[done], #1\n\t"
                                 "str %w[word], [x16]\n" TENURE_RSEQ_END
               : [word] "=&r"(word), [done] "=&r"(done)
               : [thread] "r"(rseq_area(rseq)), [base] "r"(slot), [units] "r"(units)
               : "x16", "x17", "cc", "memory");
  return done != 0;
}

TENURE_INLINE bool rseq_give(char* slot, ptrdiff_t rseq, uint32_t units) {
  uint32_t word, done;
  asm volatile(TENURE_RSEQ_BEGIN "mov %w[done], #0\n\t"
                                 "ldr %w[word], [x16]\n\t"
                                 "add %w[word], %w[word], %w[units]\n\t"
                                 "uxth w17, %w[word]\n\t"
                                 "cmp w17, %w[word], lsr #16\n\t"
                                 "b.hi 2f\n\t"
                                 "mov %w[done], #1\n\t"
                                 "str %w[word], [x16]\n" TENURE_RSEQ_END
               : [word] "=&r"(word), [done] "=&r"(done)
               : [thread] "r"(rseq_area(rseq)), [base] "r"(slot), [units] "r"(units)
               : "x16", "x17", "cc", "memory");
  return done != 0;
}

TENURE_INLINE uint32_t rseq_compare_exchange_half(char* slot, ptrdiff_t rseq, uint32_t expected,
                                                  uint32_t desired) {
  uint32_t word;
  asm volatile(TENURE_RSEQ_BEGIN "ldr %w[word], [x16]\n\t"
                                 "cmp %w[word], %w[expected]\n\t"
                                 "b.ne 2f\n\t"
                                 "str %w[desired], [x16]\n" TENURE_RSEQ_END
               : [word] "=&r"(word)
               : [thread] "r"(rseq_area(rseq)), [base] "r"(slot), [expected] "r"(expected),
                 [desired] "r"(desired)
               : "x16", "x17", "cc", "memory");
  return word;
}

#undef TENURE_RSEQ_BEGIN
#undef TENURE_RSEQ_END

}  // namespace tenure
