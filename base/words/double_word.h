// A 16-byte word with compare-and-swap, for stacks whose head needs a version tag beside it.
//
// GCC's __atomic builtins send 16-byte operations to libatomic, which the preloaded library must not
// depend on and which may lock; so the instruction is written out.
#pragma once

#include <atomic>
#include <cstdint>

namespace tenure {

struct DoubleWord {
  uint64_t value;
  uint64_t tag;
  friend bool operator==(const DoubleWord&, const DoubleWord&) = default;
};

class alignas(16) AtomicDoubleWord {
public:
  constexpr AtomicDoubleWord() = default;

  // The halves are read one after the other and may belong to different moments: a torn value only makes the
  // compare_exchange that follows fail, since the tag changes at every change.
  DoubleWord load() const {
    // tag first: if value is newer than tag, the exchange fails on the tag.
    const uint64_t tag = tag_.load(std::memory_order_acquire);
    const uint64_t value = value_.load(std::memory_order_acquire);
    return {value, tag};
  }

  // Sequentially consistent on x86-64, acquire-release on aarch64.
  bool compare_exchange(DoubleWord expected, DoubleWord desired) {
#if defined(__SANITIZE_THREAD__)
    // The sanitizer cannot see into assembly; its runtime provides the builtin.
    unsigned __int128 e = pack(expected);
    return __atomic_compare_exchange_n(reinterpret_cast<unsigned __int128*>(this), &e,
                                       pack(desired), false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
#elif defined(__x86_64__)
    bool done;
    asm volatile("lock cmpxchg16b %[cell]"
                 : [cell] "+m"(*this), "=@ccz"(done), "+a"(expected.value), "+d"(expected.tag)
                 : "b"(desired.value), "c"(desired.tag)
                 : "memory");
    return done;
#elif defined(__aarch64__)
    uint64_t value, tag;
    uint32_t failed;
    asm volatile(
        "1: ldaxp %[value], %[tag], %[cell]\n"
        "cmp %[value], %[old_value]\n"
        "ccmp %[tag], %[old_tag], #0, eq\n"
        "b.ne 2f\n"
        "stlxp %w[failed], %[new_value], %[new_tag], %[cell]\n"
        "cbnz %w[failed], 1b\n"
        "b 3f\n"
        "2: clrex\n"
        "mov %w[failed], #1\n"
        "3:\n"
        : [value] "=&r"(value), [tag] "=&r"(tag), [failed] "=&r"(failed), [cell] "+Q"(*this)
        : [old_value] "r"(expected.value), [old_tag] "r"(expected.tag),
          [new_value] "r"(desired.value), [new_tag] "r"(desired.tag)
        : "cc", "memory");
    return failed == 0;
#else
#error "no 16-byte compare-and-swap for this architecture"
#endif
  }

private:
#if defined(__SANITIZE_THREAD__)
  static unsigned __int128 pack(DoubleWord w) {
    return static_cast<unsigned __int128>(w.tag) << 64 | w.value;
  }
#endif
  std::atomic<uint64_t> value_{0};
  std::atomic<uint64_t> tag_{0};
};

}  // namespace tenure
