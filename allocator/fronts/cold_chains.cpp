#include "allocator/fronts/cold_chains.h"

#include "allocator/slabs/arena.h"
#include "allocator/slabs/family.h"
#include "allocator/slabs/misuse.h"

namespace tenure {

constinit std::atomic<int64_t> cold_bytes_held{0};

namespace {

int64_t bytes_of(const Cache& cache, ChainWord chain) {
  return int64_t{chain_length(chain, cache.limit)} * cache.object_size;
}

// More than a processor has misses under way is of no use.
constexpr uint32_t kMostParts = 16;
// An object's first words are the links of its chain and of its depot.
constexpr uint32_t kIndexWord = 2;

struct Parts {
  uint32_t count;
  uint32_t length;  // Of each but the last
};

Parts parts_of(const Cache& cache, ChainWord chain) {
  const uint32_t room = cache.object_size / uint32_t{sizeof(ChainWord)} - kIndexWord + 1;
  const uint32_t count = room < kMostParts ? room : kMostParts;
  return {count, (chain_length(chain, cache.limit) + count - 1) / count};
}

ChainWord* index_in(ChainWord chain) {
  return static_cast<ChainWord*>(first_object(chain)) + kIndexWord;
}

void write_index(const Cache& cache, ChainWord chain) {
  const Parts parts = parts_of(cache, chain);
  ChainWord* entry = index_in(chain);
  // A chain whose end was overwritten may be longer than its word says: the object has room for no more.
  const ChainWord* const end = entry + parts.count - 1;
  uint32_t left = parts.length;
  for (ChainWord word = chain; has_objects(word); --left) {
    void* const object = first_object(word);
    if (left == 0) {
      if (entry == end) report_misuse(Misuse::kCorruptedChain, object);
      *entry++ = word;
      left = parts.length;
    }
    const ChainWord rest = load_link(object);
    if (!is_rest(rest, word)) report_misuse(Misuse::kCorruptedChain, object);
    word = rest;
  }
  while (entry != end) *entry++ = kClosedWord;
}

// An object overwritten after its free is found at its hand-out; here it must not lead astray.
void* plausible_object(ChainWord word) { return is_plausible(word) ? first_object(word) : nullptr; }

void warm(const Cache& cache, ChainWord chain) {
  const Parts parts = parts_of(cache, chain);
  void* at[kMostParts];
  at[0] = first_object(chain);
  for (uint32_t part = 1; part < parts.count; ++part)
    at[part] = plausible_object(index_in(chain)[part - 1]);
  for (uint32_t step = 0; step < parts.length; ++step) {
    for (uint32_t part = 0; part < parts.count; ++part) {
      if (at[part] != nullptr) at[part] = plausible_object(load_link(at[part]));
    }
  }
}

}  // namespace

bool may_index(const Cache& cache) {
  const bool keeps_state = cache.family && cache.family->prefix != 0;
  return cache.object_size >= (kIndexWord + 1) * sizeof(ChainWord) && !keeps_state &&
         chain_key == 0;
}

void push_cold(Cache& cache, ChainWord chain) {
  write_index(cache, chain);
  cold_bytes_held.fetch_add(bytes_of(cache, chain), std::memory_order_relaxed);
  cache.cold.push(chain);
}

ChainWord pop_cold_unwarmed(Cache& cache) {
  const ChainWord chain = cache.cold.pop();
  if (!has_objects(chain)) return chain;
  cold_bytes_held.fetch_sub(bytes_of(cache, chain), std::memory_order_relaxed);
  const uint32_t left = cache.cold.size();
  if (left < cache.fewest_cold.load(std::memory_order_relaxed))
    cache.fewest_cold.store(left, std::memory_order_relaxed);
  return chain;
}

ChainWord pop_cold(Cache& cache) {
  const ChainWord chain = pop_cold_unwarmed(cache);
  if (has_objects(chain)) warm(cache, chain);
  return chain;
}

}  // namespace tenure
