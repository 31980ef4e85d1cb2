// Tenant LRUs: a service's own cache puts its objects on an LRU, and reclaim finds them there by tenant.
//
// Source of the idea: Linux mm/list_lru.c since 2022 ("list_lru: allocate list_lru_one only when needed"). An LRU is an array of lists by
// tenant id. The tenant's first item makes its list, an empty slot is legal everywhere, and at offline the list goes to the parent. Memory
// grows with the pairs of LRU and tenant that have had items. The eager scheme took 5.6 GB for 952 LRUs and 24,574 ids.
//
// With several NUMA nodes a tenant has a list on each node. A new item goes to the list of the caller's CPU, because the object that the
// caller has just filled is in that node's memory. The item stays there. Lists of different nodes are never joined.
//
// Unlike in Linux, no lock is held while a walk's callback runs: the walk takes the item off the list, shows the item to the callback, and
// puts it back as the verdict says. The thread that has taken an item off a list owns it:
//   - lru_remove() returning 1: the caller. No walk will show it any more.
//   - a walk: from before the callback until its verdict is carried out. During that time lru_remove()
//     returns -EBUSY, and its caller leaves the item to the callback, which is called once more if its
//     verdict is not kRemoved. Only once, so that a walk ends however often a thread asks: during the
//     second call lru_remove() returns -EBUSY to no effect, and the item goes to the place that the
//     verdict says. The caller has noted its wish in the object, for a later walk, or tries again.
// The memory of an item must stay valid during every call that names it. The lock of the service's table, in which items are found, ensures
// that, in callbacks as elsewhere.
//
// Thread-safe, not async-signal-safe (short locks; lru_list.h). The nearest online ancestor replaces an offline tenant.
#pragma once

#include <span>

#include "accounting/callbacks/user_call.h"
#include "accounting/shrinkers/lru_list.h"
#include "rcu/rcu_array.h"

namespace tenure {

struct Lru;

// The number of nodes over which an LRU's lists are spread, and the function that returns the caller's node. The node is taken modulo
// `count`, so a hot-added node shares a list with another.
struct LruNodes {
  uint32_t count = 1;
  uint32_t (*current)() = nullptr;  // Not called if there is one node.
};

// An LRU's lists on one node.
struct alignas(64) LruNode {
  // The list of the tenant, or of its nearest online ancestor; nullptr if there is none. In a read section.
  LruList* find(Tenant& tenant);

  Lru* lru = nullptr;
  RcuArray<LruList> lists;  // The lists of all tenants except the root.
  LruList root{nullptr};    // The root's list.
};

struct alignas(64) Lru {
  // nullptr: metadata is exhausted. Control: takes tenants_mutex.
  static Lru* create(LruNodes nodes = {});
  // Frees the LRU and its lists, and waits for a grace period. No other thread may use the LRU any more. -EBUSY while there are items or
  // walks. Control.
  static int destroy(Lru* lru);

  LruNode& node_of_caller() {
    return nodes.size() == 1 ? nodes[0] : nodes[current_node() % nodes.size()];
  }
  // Tells the shrinker that the tenant has items. In a read section.
  void mark(Tenant& tenant) const;

  std::span<LruNode> nodes;  // Constant, as the next.
  uint32_t (*current_node)() = nullptr;
  // Index of the shrinker that is notified of tenants with items, plus 1; 0 none. Written under tenants_mutex; tie_lru() has the order.
  std::atomic<uint32_t> shrinker{0};
  std::atomic<uint32_t> next_first{
      0};               // The node at which the next walk begins. Relaxed: only for fairness.
  Lru* next = nullptr;  // All LRUs. Under tenants_mutex.
};

// Puts the item on the tenant's list, as used last. 0; -EEXIST: it is on a list; -ENOMEM: metadata
// is exhausted.
int lru_add(Lru& lru, Tenant& tenant, LruItem& item);
// Moves the item to the warm end. 1; 0 if it is on no list, or is being shown to a callback.
int lru_touch(LruItem& item);
// Takes the item off its list. 1: the caller owns the item; 0: it is on no list; -EBUSY: see above.
int lru_remove(LruItem& item);
// Called by a walk's callback for the shown item: the callback becomes the owner, and may add the item to any list. The verdict must be
// kRemoved. 0 or -EINVAL.
int lru_isolate(LruItem& item);
// The number of items on the tenant's lists, or on the list of one node (0 if there is no such node). Items that are being shown to a
// callback do not count. One load for each list.
size_t lru_count(Lru& lru, Tenant& tenant);
size_t lru_count_node(Lru& lru, Tenant& tenant, uint32_t node);
// Shows items of the tenant, coldest first, to the callback, with no lock held: up to `most` items, and no more than there were at the
// start. Each item is shown once, or twice if lru_remove() asked for it meanwhile. Each of several nodes is asked for its share, in
// proportion to its items; walks begin at one node after the other. If the tenant goes meanwhile, the walk goes on at its parent's lists.
// Returns the number of removed items. The callback may use every function here, but must not leave by longjmp or end its thread.
size_t lru_walk(Lru& lru, Tenant& tenant, LruCallback callback, void* argument, size_t most);
size_t lru_walk_node(Lru& lru, Tenant& tenant, uint32_t node, LruCallback callback, void* argument,
                     size_t most);

// Bytes of metadata of the LRU.
size_t lru_bytes(const Lru& lru);
// Marks every tenant that has items for the LRU's shrinker.
void mark_lru_owners(Lru& lru);
// Removes the shrinker from its LRUs. Under tenants_mutex.
void forget_lru_shrinker(uint32_t index_plus_1);

// The hook of offline: moves all items of the tenant's lists to its parent's, in a few steps for each LRU, whatever the number of items.
void drain_lrus(Tenant& tenant);

// In a fork child, before tenants_after_fork_child(): resets the locks. An LRU that another thread was using at the fork has a list in an
// unknown order, perhaps without some items. The child must not use that LRU, nor the service's table behind it.
void lrus_after_fork_child();

// Calls fn(list) for each list of each node, the root's first.
template <typename Fn>
void for_each_list(const Lru& lru, Fn fn) {
  for (LruNode& node : lru.nodes) {
    fn(node.root);
    node.lists.for_each([&fn](uint32_t, LruList* list) {
      fn(*list);
      return true;
    });
  }
}

// Whether the rings of all lists are whole and counts and homes agree. No thread may use the LRU meanwhile.
bool validate_lru(Lru& lru);

}  // namespace tenure
