// The full fence between a store and a load of another word (Dekker's pattern). Two threads each store a word and then load the other's
// word. With a fence on both sides, at least one thread sees the other's store.
#pragma once

#include <atomic>
#include <cstdint>

namespace tenure {

#if defined(__SANITIZE_THREAD__)
// The sanitizer does not know fences. Read-modify-writes of one word have the same effect, because they are ordered among themselves.
inline constinit std::atomic<uint64_t> fence_word{0};
inline void full_fence() { fence_word.fetch_add(1, std::memory_order_seq_cst); }
#else
inline void full_fence() { std::atomic_thread_fence(std::memory_order_seq_cst); }
#endif

}  // namespace tenure
