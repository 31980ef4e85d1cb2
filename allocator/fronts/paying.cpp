#include "allocator/fronts/paying.h"

#include "accounting/charge/charge.h"
#include "allocator/fronts/charge_stock.h"
#include "allocator/fronts/depots.h"
#include "allocator/slabs/family.h"

namespace tenure {
namespace {

// Without reclaim: for all of a chain nothing is given up.
bool pay_if_it_fits(Cache& cache, size_t bytes) {
  return take_from_stock(tag_of(*cache.payer), bytes) ||
         charge_more_with_stock(*cache.payer, bytes);
}

bool pay(Cache& cache, size_t bytes) {
  return pay_if_it_fits(cache, bytes) || charge_more_with_room(*cache.payer, bytes);
}

}  // namespace

ChainWord pay_for(Cache& cache, ChainWord chain, bool listed) {
  const size_t bytes = size_t{chain_length(chain, cache.limit)} * cache.object_size;
  if (listed && pay_if_it_fits(cache, bytes)) return chain;
  if (!pay(cache, cache.object_size)) {
    keep_unpaid_chain(cache, chain);
    return kClosedWord;
  }
  void* const object = first_object(chain);
  const ChainWord rest = load_link(object);
  if (has_objects(rest)) keep_unpaid_chain(cache, rest);
  return chain_push(object, empty_word(cache.limit));
}

void unpay(Cache& cache, uint32_t objects) {
  const OwnerTag tag = tag_of(*cache.payer);
  const size_t bytes = size_t{objects} * cache.object_size;
  if (bytes > kLargestStocked || !give_to_stock(tag, bytes)) uncharge_to_stock(tag, bytes);
}

size_t unpay_at_once(Cache& cache, uint32_t objects) {
  const size_t bytes = size_t{objects} * cache.object_size;
  uncharge(*cache.payer, bytes);
  return bytes;
}

uint64_t paid_bytes(const RunDescriptor& slab) {
  if (slab.cache->payer == nullptr) return 0;
  const SlabState state = slab.state.load(std::memory_order_acquire);
  return uint64_t{slab.object_size} * (state.carved - state.free);
}

}  // namespace tenure
