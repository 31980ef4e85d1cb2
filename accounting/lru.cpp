#include "accounting/lru.h"

#include <errno.h>

#include "accounting/reclaim_state.h"
#include "accounting/tenant.h"
#include "accounting/user_call.h"
#include "base/check.h"
#include "base/fence.h"
#include "base/meta_arena.h"

namespace tenure {
namespace {

constinit Lru* all_lrus = nullptr;  // Under tenants_mutex.

// Tells the shrinker that the tenant has items. In a read section.
void mark(const Lru& lru, Tenant& tenant) {
  // Relaxed: who ties a shrinker looks at all lists itself, a grace period after: tie_lru().
  if (const uint32_t shrinker = lru.shrinker.load(std::memory_order_relaxed)) {
    mark_shrinker(tenant, shrinker - 1);
  }
}

// Sends the list to the nearest ancestor that can have it: as a whole where that has none of its
// own, else by a splice. Only one caller gets here for a list: who cleared the slot.
void send_up(Lru& lru, Tenant& from, LruList& list) {
  Tenant* to = from.parent();
  for (;; to = to->parent()) {
    to = &to->nearest_online();
    if (to == &root_tenant) {
      splice(list, lru.root);
      break;
    }
    list.lock.lock();
    list.owner.store(to, std::memory_order_release);
    list.lock.unlock();
    LruList* const found = lru.lists.publish(index_of(to->id()), &list);
    if (found == &list) {
      // As in find_list(): either the offline of `to` sees the list, or we see that it goes.
      full_fence();
      if (to->online() || !lru.lists.clear_if(index_of(to->id()), &list)) break;
    } else if (found != nullptr) {
      splice(list, *found);
      break;
    }
    // Metadata is exhausted, or `to` has just gone: the next one above. The root always has a list.
  }
  mark(lru, *to);
}

// In a read section.
void drain(Lru& lru, Tenant& tenant) {
  const uint32_t id = index_of(tenant.id());
  LruList* const list = lru.lists.load(id);
  if (list == nullptr || list->owner.load(std::memory_order_acquire) != &tenant) return;
  if (lru.lists.clear_if(id, list)) send_up(lru, tenant, *list);
}

// The list of a tenant that was online in this read section; made if there is none. What is
// returned may have been sent up meanwhile: lock_root() finds where to.
//
// A slot must not be filled once the tenant's id may belong to another. Both sides store, then
// fence, then look: offline makes the tenant dying before it looks at the slots, we publish before
// we look at the tenant. So either offline drains what we published or we do. The id stays the
// tenant's until this section ends.
LruList* find_list(Lru& lru, Tenant& tenant) {
  if (&tenant == &root_tenant) return &lru.root;
  const uint32_t id = index_of(tenant.id());
  if (LruList* list = lru.lists.load(id)) return list;
  LruList* const fresh = LruList::create(&tenant);
  if (fresh == nullptr) return nullptr;
  LruList* const found = lru.lists.publish(id, fresh);
  if (found != fresh) {
    meta_arena.release(fresh, sizeof *fresh);
    return found;
  }
  full_fence();
  if (TENURE_UNLIKELY(!tenant.online())) drain(lru, tenant);
  return fresh;
}

// Without making one. In a read section.
LruList* look_up(Lru& lru, Tenant& asked) {
  Tenant& tenant = asked.nearest_online();
  if (&tenant == &root_tenant) return &lru.root;
  return lru.lists.load(index_of(tenant.id()));
}

// Calls fn(list) for each, the root's first.
template <typename Fn>
void for_each_list(Lru& lru, Fn fn) {
  fn(lru.root);
  lru.lists.for_each([&fn](uint32_t, LruList* list) {
    fn(*list);
    return true;
  });
}

Tenant& owner_of(const LruList& list) {
  Tenant* const owner = list.owner.load(std::memory_order_acquire);
  return owner ? *owner : root_tenant;
}

}  // namespace

Lru* Lru::create() {
  auto* lru = meta_arena.create<Lru>();
  if (lru == nullptr) return nullptr;
  lru->root.start();
  MutexGuard guard(tenants_mutex);
  lru->next = all_lrus;
  all_lrus = lru;
  return lru;
}

int Lru::destroy(Lru* lru) {
  {
    // No offline is under way, and nobody else has a reason to reach a list.
    MutexGuard guard(tenants_mutex);
    bool busy = false;
    for_each_list(*lru, [&busy](LruList& list) {
      list.lock.lock();
      busy |= list.references != 0;
      list.lock.unlock();
    });
    if (busy) return -EBUSY;
    Lru** link = &all_lrus;
    while (*link != lru) link = &(*link)->next;
    *link = lru->next;
  }
  grace::synchronize();
  lru->lists.for_each([](uint32_t, LruList* list) {
    meta_arena.release(list, sizeof *list);
    return true;
  });
  lru->lists.destroy();
  meta_arena.destroy(lru);
  return 0;
}

int lru_add(Lru& lru, Tenant& tenant, LruItem& item) {
  grace::ReadSection section;
  LruList* const list = find_list(lru, tenant.nearest_online());
  if (list == nullptr) return -ENOMEM;
  LruList& root = lock_root(*list);
  // Release: pairs with home_word(). Who finds the home waits for the lock, and then for the links.
  uintptr_t none = 0;
  if (!item.home.compare_exchange_strong(none, reinterpret_cast<uintptr_t>(&root),
                                         std::memory_order_acq_rel, std::memory_order_relaxed)) {
    root.lock.unlock();
    return -EEXIST;
  }
  root.append(item);
  root.count_by(1);
  ++root.references;
  // Valid in this section: an owner that has gone has sent the list up, under the lock.
  Tenant& owner = owner_of(root);
  root.lock.unlock();
  mark(lru, owner);
  return 0;
}

int lru_touch(LruItem& item) {
  grace::ReadSection section;
  HomeWord home;
  LruList* const root = lock_home(item, &home);
  if (root == nullptr) return 0;
  if (!home.held()) {
    LruList::unlink(item);
    root->append(item);
  }
  root->lock.unlock();
  return home.held() ? 0 : 1;
}

int lru_remove(LruItem& item) {
  grace::ReadSection section;
  HomeWord home;
  LruList* const root = lock_home(item, &home);
  if (root == nullptr) return 0;
  if (home.held()) {
    item.set_home(home.with(HomeWord::kWanted));  // The walk looks when the verdict has come.
  } else {
    LruList::unlink(item);
    root->count_by(-1);
    item.set_home({});
    drop_reference(*home.list());
  }
  root->lock.unlock();
  return home.held() ? -EBUSY : 1;
}

int lru_isolate(LruItem& item) {
  grace::ReadSection section;
  HomeWord home;
  LruList* const root = lock_home(item, &home);
  if (root == nullptr) return -EINVAL;
  if (home.held()) item.set_home({});  // The reference is the walk's to drop.
  root->lock.unlock();
  return home.held() ? 0 : -EINVAL;
}

size_t lru_count(Lru& lru, Tenant& tenant) {
  grace::ReadSection section;
  const LruList* const list = look_up(lru, tenant);
  return list ? list->count.load(std::memory_order_relaxed) : 0;
}

namespace {

// A walk's place in the ring: a node of its own, which splices carry along. Its reference keeps the
// home, and with it every list the home forwards to.
class Cursor {
public:
  // At the cold end of the list, if it has items. Returns how many.
  size_t enter(Lru& lru, Tenant& tenant) {
    grace::ReadSection section;
    LruList* const list = look_up(lru, tenant);
    if (list == nullptr || list->count.load(std::memory_order_relaxed) == 0) return 0;
    LruList& root = lock_root(*list);
    const size_t items = root.count.load(std::memory_order_relaxed);
    if (items == 0) {
      root.lock.unlock();
      return 0;
    }
    home_ = &root;
    node_.set_home(HomeWord{reinterpret_cast<uintptr_t>(&root)}.with(HomeWord::kCursor));
    LruList::insert(node_, *root.head.next);
    ++root.references;
    root.lock.unlock();
    return items;
  }

  void leave() {
    LruList& root = lock_root(*home_);
    LruList::unlink(node_);
    drop_reference(*home_);
    root.lock.unlock();
  }

  // Takes the next item out of the ring and the cursor to its place. nullptr at the end.
  LruItem* take(HomeWord* home) {
    LruList& root = lock_root(*home_);
    LruLinks* at = node_.next;
    while (at != &root.head && static_cast<LruItem*>(at)->home_word().cursor()) at = at->next;
    LruItem* item = nullptr;
    if (at != &root.head) {
      item = static_cast<LruItem*>(at);
      LruList::unlink(node_);
      LruList::insert(node_, *at);
      LruList::unlink(*at);
      root.count_by(-1);
      *home = item->home_word();
      item->set_home(home->with(HomeWord::kHeld));
    }
    root.lock.unlock();
    return item;
  }

  // What the verdict asks for. False if somebody wanted the item meanwhile and it may be `shown_again`: then it is to be.
  bool settle(const Lru& lru, LruItem& item, HomeWord home, LruVerdict verdict, bool shown_again) {
    grace::ReadSection section;
    LruList& root = lock_root(*home_);
    if (verdict != LruVerdict::kRemoved) {
      const HomeWord now = item.home_word();
      if (now.wanted() && shown_again) {
        item.set_home(home.with(HomeWord::kHeld));
        root.lock.unlock();
        return false;
      }
      if (now.without(HomeWord::kWanted).word == home.with(HomeWord::kHeld).word) {
        LruLinks& before = verdict == LruVerdict::kRotate  ? root.head
                           : verdict == LruVerdict::kRetry ? *node_.next
                                                           : node_;
        LruList::insert(item, before);
        item.set_home(home);
        root.count_by(1);
        Tenant& owner = owner_of(root);
        root.lock.unlock();
        mark(lru, owner);  // The shrinker may have been told that there is nothing.
        return true;
      }
    }
    drop_reference(*home.list());
    root.lock.unlock();
    return true;
  }

private:
  LruItem node_;
  LruList* home_ = nullptr;
};

}  // namespace

size_t lru_walk(Lru& lru, Tenant& tenant, LruCallback callback, void* argument, size_t most) {
  Cursor cursor;
  const size_t items = most == 0 ? 0 : cursor.enter(lru, tenant);
  if (items == 0) return 0;
  if (most > items) most = items;
  size_t removed = 0;
  const CancellationPause pause;
  LruVerdict verdict = LruVerdict::kSkip;
  for (size_t shown = 0; shown < most && verdict != LruVerdict::kStop; ++shown) {
    HomeWord home;
    LruItem* const item = cursor.take(&home);
    if (item == nullptr) break;
    verdict = call_verdict(callback, item, argument);
    if (!cursor.settle(lru, *item, home, verdict, true)) {
      // The last time: who wants it again and again does not keep the walk.
      verdict = call_verdict(callback, item, argument);
      cursor.settle(lru, *item, home, verdict, false);
    }
    removed += verdict == LruVerdict::kRemoved;
  }
  cursor.leave();
  return removed;
}

size_t lru_bytes(const Lru& lru) {
  size_t bytes = sizeof lru + lru.lists.bytes();
  lru.lists.for_each([&bytes](uint32_t, LruList*) { return (bytes += sizeof(LruList)) != 0; });
  return bytes;
}

void mark_lru_owners(Lru& lru) {
  grace::ReadSection section;
  for_each_list(lru, [&lru](LruList& list) {
    if (list.count.load(std::memory_order_relaxed) != 0) mark(lru, owner_of(list));
  });
}

void forget_lru_shrinker(uint32_t index_plus_1) {
  for (Lru* lru = all_lrus; lru != nullptr; lru = lru->next) {
    if (lru->shrinker.load(std::memory_order_relaxed) == index_plus_1) {
      lru->shrinker.store(0, std::memory_order_relaxed);
    }
  }
}

void drain_lrus(Tenant& tenant) {
  full_fence();  // find_list()
  for (Lru* lru = all_lrus; lru != nullptr; lru = lru->next) {
    grace::ReadSection section;
    drain(*lru, tenant);
  }
}

void lrus_after_fork_child() {
  for (Lru* lru = all_lrus; lru != nullptr; lru = lru->next) {
    for_each_list(*lru, [](LruList& list) { list.lock.reset_after_fork(); });
  }
}

bool validate_lru(Lru& lru) {
  bool good = lru.lists.validate();
  grace::ReadSection section;
  for_each_list(lru, [&good](LruList& list) {
    size_t items = 0;
    const LruLinks* previous = &list.head;
    for (const LruLinks* at = list.head.next; at != &list.head; at = at->next) {
      good &= at->previous == previous;
      const LruList* root = static_cast<const LruItem*>(at)->home_word().list();
      while (root && root->forward.load()) root = root->forward.load();
      good &= root == &list;
      previous = at;
      ++items;
    }
    good &= list.head.previous == previous;
    good &= list.count.load() == items;
    good &= list.forward.load() == nullptr;
    good &= items == 0 || list.references != 0;
  });
  return good;
}

}  // namespace tenure
