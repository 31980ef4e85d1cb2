#include "allocator/heap/sampled_lists.h"

#include "allocator/fronts/depots.h"
#include "allocator/fronts/sampler.h"
#include "allocator/slabs/misuse.h"
#include "allocator/upkeep/decay.h"

namespace tenure {

void end_in_sentinel(ChainWord chain, uint16_t limit) {
  void* last = nullptr;
  ChainWord rest = chain;
  while (has_objects(rest)) {
    last = first_object(rest);
    const ChainWord next = load_link(last);
    if (!is_rest(next, rest)) report_misuse(Misuse::kCorruptedChain, last);
    rest = next;
  }
  // One that is closed at its end (decay.h) stays so: it ends a list as well.
  if (last != nullptr && rest == empty_word(limit)) store_link(last, sentinel_word(limit));
}

ChainWord cut_chain(ChainWord chain, uint32_t most, uint16_t limit, ChainWord* rest) {
  void* objects[kLongestCut];
  uint32_t count = 0;
  for (; count < most && count < kLongestCut && has_objects(chain); ++count) {
    objects[count] = first_object(chain);
    const ChainWord next = load_link(objects[count]);
    if (!is_rest(next, chain)) report_misuse(Misuse::kCorruptedChain, objects[count]);
    chain = next;
  }
  *rest = chain;
  ChainWord list = sentinel_word(limit);
  while (count > 0) list = chain_push(objects[--count], list);
  return list;
}

// The usual step at a list's end, which each list of pairs of malloc and free comes by: without the decisions of take_from().
void* swap_before_point(Cache& cache) {
  const Front front(cache);
  if (!front || !front.by_rseq() || TENURE_UNLIKELY(fronts_watched())) return nullptr;
  const ChainWord end = front.load(Front::kAllocWord), chain = front.load(Front::kFreeWord);
  if (!is_sentinel(end) || !has_objects(chain)) return nullptr;
  SamplingPoint point(cache.front_slot.load(std::memory_order_relaxed));
  const uint32_t count = chain_length(chain, cache.limit);
  const uint64_t bytes = uint64_t{count} * cache.object_size;
  if (count < cache.limit / 2u || !point.pass_if_before(bytes)) return nullptr;
  if (!front.compare_exchange(Front::kFreeWord, chain, sentinel_word(cache.limit))) {
    point.unpass(bytes);
    return nullptr;
  }
  void* const object = first_object(chain);
  const ChainWord rest = load_link(object);
  if (!is_rest(rest, chain)) report_misuse(Misuse::kCorruptedChain, object);
  if (!front.compare_exchange(Front::kAllocWord, end, rest) && has_objects(rest))
    keep_chain(cache, rest);
  return object;
}

bool install_before_point(Cache& cache, const Front& front, ChainWord chain) {
  const ChainWord word = front.load(Front::kAllocWord);
  if (has_objects(word) || is_held(word)) return false;
  SamplingPoint point(cache.front_slot.load(std::memory_order_relaxed));
  const uint32_t count = has_objects(chain) ? chain_length(chain, cache.limit) : 0;
  uint32_t most = point.objects_before(cache.object_size, count);
  const bool at_point = most < count;
  if (fronts_watched() && most > watched_length()) most = watched_length();
  if (most < count && most > kLongestCut) most = kLongestCut;
  ChainWord rest = kClosedWord, list = chain;
  if (most < count) list = cut_chain(chain, most, cache.limit, &rest);
  if (count == 0) list = sentinel_word(cache.limit);
  // A chain that came out of a slow step that began before sampling did ends in the open word.
  if (at_point) {
    const uint32_t left = sampler.lists_to_mend.load(std::memory_order_relaxed);
    if (left != 0) {
      sampler.lists_to_mend.store(left - 1, std::memory_order_relaxed);
      end_in_sentinel(rest, cache.limit);
    }
  }
  if (has_objects(rest)) keep_chain(cache, rest);
  if (front.install(list)) {
    point.pass_before(uint64_t{most} * cache.object_size);
  } else if (has_objects(list)) {
    keep_chain(cache, list);
  }
  return true;
}

}  // namespace tenure
