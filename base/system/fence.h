// The full fence between a store and a load of something else, on both sides of "each stores, then
// looks at what the other stores": at least one sees the other.
#pragma once

#include <atomic>
#include <cstdint>

namespace tenure {

#if defined(__SANITIZE_THREAD__)
// The sanitizer does not know fences; read-modify-writes of one word, which are ordered among
// themselves, do the same.
inline constinit std::atomic<uint64_t> fence_word{0};
inline void full_fence() { fence_word.fetch_add(1, std::memory_order_seq_cst); }
#else
inline void full_fence() { std::atomic_thread_fence(std::memory_order_seq_cst); }
#endif

}  // namespace tenure
