// One tenant's list of one LRU: a ring of items that lie in the service's own objects, coldest
// first.
//
// Source of the idea: Linux list_lru_one. Linux finds an item's list by the memory cgroup of its page. Here the item names its *home*, the
// list to which it was added. When that list's tenant goes, all its items are spliced to the list of an ancestor in one step, and the home
// forwards there. The *root* of a list is the end of its forwarding: the list whose ring has the items.
//
// Proof for threads that add, touch, remove and walk meanwhile:
//  - Links, the count and the `references` of every list that forwards to a root change under that
//    root's lock only. A splice holds both locks, so who held either before or takes either after
//    is ordered with it. lock_root() looks at `forward` again under the lock.
//  - A home is referenced by each item and cursor that names it, and by each list that forwards to
//    it. A forwarding list without references is freed by deferral: who still finds it does so in a
//    read section, and sees where it forwards to.
//  - Forwarding only leads to lists of ancestors: chains are no longer than the tree is deep, and
//    two locks are always taken from the lower list to the higher.
// Locks are held for a few steps, never while user code runs, and no thread waits while it holds one. So they may be taken in a read
// section.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/threads/lock.h"
#include "rcu/deferred.h"

namespace tenure {

struct Tenant;
struct LruList;

struct LruLinks {
  LruLinks* next = nullptr;
  LruLinks* previous = nullptr;
};

// An item's `home` word: the list, and flags. 0: on no list.
struct HomeWord {
  uintptr_t word = 0;

  static constexpr uintptr_t kHeld = 1;    // Out of the ring, being shown to a walk's callback.
  static constexpr uintptr_t kWanted = 2;  // Held, and another thread asked for it meanwhile.
  static constexpr uintptr_t kCursor = 4;  // Not an item: a walk's place in the ring.
  static constexpr uintptr_t kFlags = 63;

  LruList* list() const { return reinterpret_cast<LruList*>(word & ~kFlags); }
  bool held() const { return (word & kHeld) != 0; }
  bool wanted() const { return (word & kWanted) != 0; }
  bool cursor() const { return (word & kCursor) != 0; }
  HomeWord with(uintptr_t flag) const { return {word | flag}; }
  HomeWord without(uintptr_t flag) const { return {word & ~flag}; }
};

// The part that the service embeds in its objects; zero at first.
struct LruItem : LruLinks {
  std::atomic<uintptr_t> home{
      0};  // HomeWord. Set from 0 by CAS, else changed under the root's lock.

  // Acquire: pairs with the release of the thread that set it, so that the list is seen whole.
  HomeWord home_word() const { return {home.load(std::memory_order_acquire)}; }
  void set_home(HomeWord word) { home.store(word.word, std::memory_order_release); }
};

struct alignas(64) LruList {
  explicit constexpr LruList(Tenant* tenant) : owner(tenant) {}

  // In metadata, so that a read section protects it. nullptr: metadata is exhausted.
  static LruList* create(Tenant* owner);

  // The tenant that owns the items. In a read section.
  Tenant& owner_or_root() const;

  // All below: with the list locked, being its own root.
  void start();  // Called before the first item, any number of times.
  void append(LruLinks& links) { insert(links, head); }
  static void insert(LruLinks& links, LruLinks& before);
  static void unlink(LruLinks& links);
  void count_by(intptr_t difference) {
    // Relaxed: written under the lock; read without it as a statistic.
    count.store(count.load(std::memory_order_relaxed) + static_cast<size_t>(difference),
                std::memory_order_relaxed);
  }

  Mutex lock{LockRank::kLruList};
  // Set once, under the lock. Release; loaded with acquire in lock_root().
  std::atomic<LruList*> forward{nullptr};
  // nullptr: the root. Changed under the lock when the list as a whole goes to an ancestor.
  std::atomic<Tenant*> owner;
  size_t references = 0;         // Under the root's lock.
  std::atomic<size_t> count{0};  // Items in the ring.
  union {
    LruLinks head{};    // Until the list forwards.
    DeferredItem item;  // Once it has no references.
  };
};

static_assert(sizeof(LruList) == 64);

// The list's root, locked. In a read section, or with a reference to the list.
LruList& lock_root(LruList& list);
// The root of the item's home, locked, and the home at that time; nullptr if it is on no list. In a
// read section.
LruList* lock_home(const LruItem& item, HomeWord* home);
// Takes back a reference. The root is locked. A list without references is freed by deferral.
void drop_reference(LruList& home);
// Moves everything on the list to `target`'s root, a list of an ancestor, and forwards there. Returns the root. No new lookup finds the
// list. In a read section.
LruList& splice(LruList& list, LruList& target);

}  // namespace tenure
