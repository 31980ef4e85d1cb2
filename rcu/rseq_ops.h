// Operations on per-CPU words, each atomic with regard to all other code on that CPU. This file has the contract. Each architecture has the
// code. The fallback keeps the same contract without rseq.
//
// A per-CPU word lies at  base + (cpu << kCpuShift) + offset.  Areas -2 and -1 exist for threads without registration, whose cpu_id has
// these values. The areas are read-only and hold zeros, which are closed words, so such threads reach the slow path without a test. Chain
// words and their meaning: base/words/chain_word.h.
//
//   pop(offset):                           push(offset, object):
//     word = load(slot)                      word = load(slot)
//     if pointer(word) == 0: return null     if room(word) <= 0: return false
//     rest = *pointer(word)                  if pointer(word) == object: return false
//     if room(rest) != room(word) + 1:       *object = word
//       return null                          store(slot, object << 16 | room(word) - 1)   <- commit
//     store(slot, rest)      <- commit       return true
//     return pointer(word)
//
//   pop_pair(offset), of two words:        compare_exchange(offset, expected, desired):
//     (alloc, free) = load(slot)             word = load(slot)
//     if pointer(alloc) != 0:                if word == expected:
//       return pop(offset)                     store(slot, desired)                        <- commit
//     if room(alloc) <= 0: return null       return word
//     if pointer(free) == 0 or
//        2 * room(free) > room(alloc) + 1: return null
//     rest = *pointer(free)
//     if room(rest) != room(free) + 1: return null
//     store(slot, (rest, alloc))      <- commit of both words
//     return pointer(free)
//
//   take(slot, units), of a stock word:    give(slot, units):
//     word = load(slot)                      word = load(slot)
//     if have(word) < units: return false    if room(word) < units: return false
//     store(slot, taken(word))   <- commit   store(slot, given(word))                    <- commit
//     return true                            return true
//
// Stock words have 32 bits; base/words/stock_word.h has their meaning. compare_exchange_half is compare_exchange for them.
//
// pop_pair swaps the two lists of a class. An empty open list has pointer 0 and the class's limit as its room. So the alloc word gives both
// the length of half a list and the new free word. Shorter free lists are left to the slow path, which may have more objects. The commit is
// one aligned 16-byte store, hence one instruction: on its own CPU no code sees one word without the other. Other CPUs may see that. Only
// drain.cpp looks at words of other CPUs, and it treats each word separately. Architectures without such a store leave the swap to the slow
// path: pop_pair may return null although a swap is possible.
//
// If the thread is preempted, migrated or handles a signal between the start and the commit, the kernel moves it to the abort handler,
// which starts over. Until then only the object's own memory has been written (push). The lookup of the offset (the thread's front; the
// object's granule entry) is inside the section: after a change of either, one cpu_fence() ends every section that used the old value.
//
// Descriptors lie in __rseq_cs (32-byte aligned), with pointers in __rseq_cs_ptr_array for debuggers. A section does not clear the rseq_cs
// field: the kernel clears it lazily, and the library is never unloaded.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/words/attributes.h"
#include "base/words/chain_word.h"
#include "base/words/stock_word.h"
#include "rcu/rseq_abi.h"

namespace tenure {

// 1 MiB of per-CPU memory is reserved for each possible CPU, and becomes resident as it is used. The first half is fronts, the second stock
// words.
#define TENURE_CPU_SHIFT "20"
constexpr unsigned kCpuShift = 20;
constexpr size_t kCpuAreaSize = size_t{1} << kCpuShift;
constexpr size_t kFrontAreaSize = kCpuAreaSize / 2;
// Areas below CPU 0 for the ids of unregistered threads (-1 uninitialised, -2 registration failed).
constexpr unsigned kClosedAreas = 2;

// The tenant that the thread is inside of. It is one word, so that a switch is one store, which signal handlers see as a whole. The word is
// constant-initialised to the root's value, so that it is right before any code has run in the thread.
struct alignas(8) CurrentScope {
  uint32_t
      front;  // Offset of the tenant's front in every CPU's area; 0: closed, so that the slow path decides.
  uint32_t tenant;  // Names the tenant; 0: the root.
};
// A whole front of closed words lies at offset 0, for tenants without one.
constexpr uint32_t kRootFrontOffset = 1024;

struct ThreadState {
  CurrentScope scope;
  // Requests below this many bytes try the front of the scope. A hint, only for speed. It is 0 before the thread's first slow step, and if
  // the front is closed, so that a tenant that shares slabs does not try in vain. Any value is correct, because words of closed fronts
  // refuse.
  uint64_t quick_sizes;
};
extern thread_local constinit ThreadState this_thread
    __attribute__((tls_model("initial-exec"), visibility("hidden")));

// The two halves as one word, because compilers may store them one after the other.
using ScopeWord = uint64_t __attribute__((may_alias));
inline ScopeWord& scope_word() { return reinterpret_cast<ScopeWord&>(this_thread.scope); }
inline CurrentScope load_scope() {
  return __builtin_bit_cast(CurrentScope, __atomic_load_n(&scope_word(), __ATOMIC_RELAXED));
}
inline void store_scope(CurrentScope scope) {
  __atomic_store_n(&scope_word(), __builtin_bit_cast(uint64_t, scope), __ATOMIC_RELAXED);
}

}  // namespace tenure

#if defined(__x86_64__)
#include "rcu/rseq_x86_64.h"
#elif defined(__aarch64__)
#include "rcu/rseq_aarch64.h"
#else
#error "restartable sequences are not written for this architecture"
#endif
