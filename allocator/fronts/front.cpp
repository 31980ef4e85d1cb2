#include "allocator/fronts/front.h"

#include "allocator/fronts/sampler.h"
#include "allocator/slabs/misuse.h"
#include "base/threads/thread_words.h"

namespace tenure {
namespace {

constinit std::atomic<uint32_t> next_shared_area{0};

// How often pop may find nothing where a look right afterwards finds objects. Each time takes a migration, or another
// thread's turn on this CPU, just between the two; so often in a row only a broken chain does it.
constexpr int kLooks = 16;

}  // namespace

uint32_t shared_area() {
  uint16_t& assigned = thread_words.shared_area;  // Plus one; 0: none yet.
  if (assigned == 0) {
    const uint32_t turn = next_shared_area.fetch_add(1, std::memory_order_relaxed);
    assigned = static_cast<uint16_t>(turn % arena.shared_areas + 1);
  }
  return assigned - 1u;
}

TENURE_SLOW bool join_sequences() { return rseq_join(hot.rseq); }

ChainWord close_at_end(ChainWord chain, uint32_t most, ChainWord* rest) {
  void* objects[kLongestWatched];
  uint32_t count = 0;
  for (; count < most && count < kLongestWatched && has_objects(chain); ++count) {
    objects[count] = first_object(chain);
    const ChainWord next = load_link(objects[count]);
    if (!is_rest(next, chain)) report_misuse(Misuse::kCorruptedChain, objects[count]);
    chain = next;
  }
  *rest = chain;
  ChainWord closed = kClosedWord;
  while (count > 0) closed = chain_push(objects[--count], closed);
  return closed;
}

ChainWord open_at_end(ChainWord chain, uint16_t limit) {
  const auto length = static_cast<uint16_t>(-room_bits(chain));
  if (!may_be_closed_at_end(chain) || length > kLongestWatched) return chain;
  void* objects[kLongestWatched];
  ChainWord rest = chain;
  for (uint32_t i = 0; i < length; ++i) {
    // A chain of more objects than a list takes has others behind.
    if (!has_objects(rest)) return chain;
    objects[i] = first_object(rest);
    const ChainWord next = load_link(objects[i]);
    if (!is_rest(next, rest)) report_misuse(Misuse::kCorruptedChain, objects[i]);
    rest = next;
  }
  if (rest != kClosedWord) return chain;
  ChainWord open = empty_word(limit);
  for (uint32_t i = length; i > 0; --i) open = chain_push(objects[i - 1], open);
  return open;
}

void* Front::pop(Word word, ChainWord* stray) const {
  *stray = kClosedWord;
  if (by_rseq_) {
    for (int look = 0; look < kLooks; ++look) {
      void* const object = rseq_pop(hot.cpu_base, hot.rseq, slot_, word);
      if (object != nullptr || !has_objects(load(word))) return object;
    }
    report_misuse(Misuse::kCorruptedChain, first_object(load(word)));
  }
  const FallbackPop popped = fallback_pop(shared_word(word), limit_, is_plausible);
  if (popped.broken) report_misuse(Misuse::kCorruptedChain, popped.object);
  *stray = popped.stray;
  return popped.object;
}

ChainWord Front::take_list(Word word) const {
  const ChainWord list = load(word);
  if (!has_objects(list) || !compare_exchange(word, list, open_word())) return kClosedWord;
  return list;
}

ChainWord Front::open_word() const { return list_end(limit_); }

bool Front::install(ChainWord chain) const {
  const ChainWord word = load(kAllocWord);
  return !has_objects(word) && !is_held(word) && compare_exchange(kAllocWord, word, chain);
}

}  // namespace tenure
