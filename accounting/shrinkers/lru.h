// Tenant LRUs: a service's own cache hangs its objects on one, and reclaim finds them there by
// tenant.
//
// Source of the idea: Linux mm/list_lru.c, as it is since 2022: "list_lru: allocate list_lru_one
// only when needed". An LRU is an array of lists by tenant id; a list comes into being with the
// tenant's first item, an empty slot is legal everywhere, and at offline the list goes to the
// parent. Memory follows the pairs of LRU and tenant that have had items; the eager scheme took 5.6
// GB for 952 LRUs and 24,574 ids.
//
// Where there are several NUMA nodes a tenant has a list on each: what is added goes to that of the
// CPU the caller runs on, on whose memory lies what it has just filled, and stays there. The lists
// of one node and those of another never meet.
//
// Unlike in Linux, no lock is held while a walk's callback runs: the walk takes the item off the list,
// shows it, and puts it back where the verdict says. The thread that has taken an item off a list owns it:
//   - lru_remove() returning 1: the caller. No walk will show it any more.
//   - a walk: from before the callback until its verdict is carried out. Who calls lru_remove()
//     meanwhile gets -EBUSY and leaves the item to the callback, which is called once more if its
//     verdict is not kRemoved. Only once, so that a walk ends however often somebody asks: during
//     the second call lru_remove() returns -EBUSY to no effect, and the item goes where the verdict
//     says. Whoever wanted it has said so in the object, for a later walk, or tries again.
// The memory of an item must stay valid during every call that names it; what finds items (the
// service's table and its lock) sees to that, in callbacks as elsewhere.
//
// Thread-safe, not async-signal-safe (short locks; lru_list.h). A tenant that is offline is replaced
// by its nearest online ancestor.
#pragma once

#include <span>

#include "accounting/callbacks/user_call.h"
#include "accounting/shrinkers/lru_list.h"
#include "rcu/rcu_array.h"

namespace tenure {

struct Lru;

// Over how many nodes an LRU's lists are to be spread, and which is the caller's: taken modulo `count`,
// so that a node that is hot-added is only a matter of who shares a list.
struct LruNodes {
  uint32_t count = 1;
  uint32_t (*current)() = nullptr;  // Not called where there is one.
};

// An LRU's lists on one node.
struct alignas(64) LruNode {
  // The list of the tenant, or of its nearest online ancestor; nullptr if there is none. In a read section.
  LruList* find(Tenant& tenant);

  Lru* lru = nullptr;
  RcuArray<LruList> lists;  // Those of other tenants than the root.
  LruList root{nullptr};    // The root's list.
};

struct alignas(64) Lru {
  // nullptr: metadata is exhausted. Control: takes tenants_mutex.
  static Lru* create(LruNodes nodes = {});
  // Frees it and its lists, waiting for a grace period; nobody else may use it any more. -EBUSY
  // while there are items or walks. Control.
  static int destroy(Lru* lru);

  LruNode& node_of_caller() {
    return nodes.size() == 1 ? nodes[0] : nodes[current_node() % nodes.size()];
  }
  // Tells the shrinker that the tenant has items. In a read section.
  void mark(Tenant& tenant) const;

  std::span<LruNode> nodes;  // As the next, constant.
  uint32_t (*current_node)() = nullptr;
  // Index of the shrinker that is told of tenants with items, plus 1; 0 none. Written under
  // tenants_mutex; tie_lru() has the order.
  std::atomic<uint32_t> shrinker{0};
  std::atomic<uint32_t> next_first{0};  // Where the next walk begins. Relaxed: only for fairness.
  Lru* next = nullptr;                  // All LRUs. Under tenants_mutex.
};

// Puts the item on the tenant's list, as used last. 0; -EEXIST: it is on a list; -ENOMEM: metadata
// is exhausted.
int lru_add(Lru& lru, Tenant& tenant, LruItem& item);
// Makes it the one used last. 1; 0 if it is on no list, or being shown to a callback.
int lru_touch(LruItem& item);
// Takes it off: 1, the caller owns it; 0: it is on no list; -EBUSY: see above.
int lru_remove(LruItem& item);
// By a walk's callback, for the item it is shown: takes it out of the walk's hands without freeing
// it, so that it may be added anywhere. The verdict must be kRemoved. 0 or -EINVAL.
int lru_isolate(LruItem& item);
// Items on the tenant's lists, or that of one node (0 where there is no such node); those being shown to a callback are not
// on them. One load a list.
size_t lru_count(Lru& lru, Tenant& tenant);
size_t lru_count_node(Lru& lru, Tenant& tenant, uint32_t node);
// Shows items of the tenant, coldest first, to the callback, with no lock held: up to `most` items, and no more than there
// were at the start; each once, or twice if it was wanted meanwhile. Of several nodes each is asked for its share, in
// proportion to what it has; walks begin at one after the other. If the tenant goes meanwhile, the walk goes on at its
// parent's lists. Returns how many were removed. The callback may use every function here but must not leave by longjmp
// or end its thread.
size_t lru_walk(Lru& lru, Tenant& tenant, LruCallback callback, void* argument, size_t most);
size_t lru_walk_node(Lru& lru, Tenant& tenant, uint32_t node, LruCallback callback, void* argument,
                     size_t most);

// Bytes of metadata the LRU takes.
size_t lru_bytes(const Lru& lru);
// Marks every tenant that has items for the LRU's shrinker.
void mark_lru_owners(Lru& lru);
// LRUs with that shrinker have none from now on. Under tenants_mutex.
void forget_lru_shrinker(uint32_t index_plus_1);

// The hook of offline: everything on the tenant's lists goes to its parent's, in a few steps for
// each LRU, however many items there are.
void drain_lrus(Tenant& tenant);

// In a fork child, before tenants_after_fork_child(): makes the locks anew. An LRU that another
// thread was using at the fork has a list in an unknown order, perhaps without some items; the
// child must not use it, as it must not use the service's own table behind it.
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

// Whether the rings of all lists are whole and counts and homes agree; nobody may use the LRU.
bool validate_lru(Lru& lru);

}  // namespace tenure
