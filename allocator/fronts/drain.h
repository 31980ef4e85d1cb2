// Emptying the words of caches in the CPU fronts of all CPUs, while others go on.
//
// A drainer holds a word by putting a held word there (base/words/chain_word.h): pop sees an empty list, push a full one, and
// slow paths leave it alone.
//
//   drain:  chain -> stopped; fence; stopped -> closed, and the chain is the drainer's. One drainer at a time.
//   seal:   any -> sealed, or stopped -> sealed over stopped; fence; the chain is the sealer's. One sealer at a time
//           (tenants_mutex), beside at most one drainer.
//
// 1. Each word with objects is exchanged for a held one. A section that loaded the old word before may still commit over it.
// 2. One fence for many words: every such section has committed or was aborted.
// 3. Where the held word still stands, nobody has used the old word and nobody will: it is ours. Elsewhere a commit won and the old
//    word says nothing any more.
// A swap (pop_pair in rcu/rseq_ops.h) commits both words of a slot at once. It finds neither held and leaves neither held, so each word by
// itself is as in a commit of its own, also where one was exchanged before the commit and the other after it.
// An exchange alone would be wrong: the section may have loaded head and next before it, and commit after it.
//
// A sealer that finds `stopped` leaves the drainer's chain to the drainer, by a word that says so: the drainer, behind its own fence,
// takes "stopped" and "sealed over stopped" alike as "nobody has used it". A plain "sealed" would hide from it that a commit had come
// between.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tenure {

class Cache;

// Most caches in one call.
constexpr uint32_t kDrainMost = 48;

enum class Fences : uint8_t {
  kCheap,  // Where membarrier is refused nothing is drained.
  kAny,    // There the thread visits each CPU instead.
};
// The destination of drained objects: slabs; or in depots, which takes a time that does not depend on the number of objects.
// The words are closed then. kAnew: in slabs, and words that are open without objects are closed as well, so that the next slow steps open
// all words anew, in the way that is right by then.
enum class DrainTo : uint8_t { kSlabs, kDepots, kAnew };

// Takes what the caches' words hold and gives it back. Does nothing if another thread is at it, or where the
// fence is refused. Returns the bytes of slabs that became empty, or, of caches with a payer, of the objects. The caches have words. Lock-free.
size_t drain_caches(Cache* const* caches, uint32_t count, DrainTo to = DrainTo::kSlabs,
                    Fences fences = Fences::kCheap);
// The root's.
void drain_fronts();
// Moves what the words hold to the caches' common depots: a few steps for each word, however many objects there are; 128 where the list
// is closed at its end. No word takes or
// gives an object from now on. Under tenants_mutex. False: fences are refused, and words may be in use yet.
bool seal_caches(Cache* const* caches, uint32_t count);

// A fence for every CPU, by whichever way is to be had. False: none is.
bool fence_all_cpus();

// In a fork child: whether a drainer that does not exist any more had stopped words. Each cache's stopped words are closed, so that
// they can be opened; then the drain is over.
bool is_drain_cut_off();
void reopen_words(Cache& cache);
void end_cut_off_drain();

}  // namespace tenure
