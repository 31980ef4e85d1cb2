// Fences. The full fence stands between a store and a load of another word, on both sides of "each thread stores, then looks at the
// other's word": at least one of them sees the other's store. The acquire fence orders the loads before it with everything after it; the
// release fence orders everything before it with the stores after it.
#pragma once

#include <atomic>
#include <cstdint>

namespace tenure {

#if defined(__SANITIZE_THREAD__)
// The sanitizer does not know fences; read-modify-writes of one word, which are ordered among
// themselves, do the same.
inline constinit std::atomic<uint64_t> fence_word{0};
inline void full_fence() { fence_word.fetch_add(1, std::memory_order_seq_cst); }
inline void acquire_fence() { fence_word.fetch_add(1, std::memory_order_acq_rel); }
inline void release_fence() { fence_word.fetch_add(1, std::memory_order_acq_rel); }
#else
inline void full_fence() { std::atomic_thread_fence(std::memory_order_seq_cst); }
inline void acquire_fence() { std::atomic_thread_fence(std::memory_order_acquire); }
inline void release_fence() { std::atomic_thread_fence(std::memory_order_release); }
#endif

}  // namespace tenure
