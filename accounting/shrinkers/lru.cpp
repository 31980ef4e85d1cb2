#include "accounting/shrinkers/lru.h"

#include <errno.h>

#include "accounting/pressure/reclaim_state.h"
#include "accounting/tenants/tenant.h"
#include "base/memory/meta_arena.h"
#include "base/system/check.h"
#include "base/system/fence.h"

namespace tenure {
namespace {

constinit Lru* all_lrus = nullptr;  // Under tenants_mutex.

// Sends the list to the nearest ancestor that can take it: as a whole if the ancestor has no list of its own, else by a splice. Only one
// caller gets here for a list: the thread that cleared the slot.
void send_up(LruNode& node, Tenant& from, LruList& list) {
  Tenant* to = from.parent();
  for (;; to = to->parent()) {
    to = &to->nearest_online();
    if (to == &root_tenant) {
      splice(list, node.root);
      break;
    }
    list.lock.lock();
    list.owner.store(to, std::memory_order_release);
    list.lock.unlock();
    LruList* const found = node.lists.publish(index_of(to->id()), &list);
    if (found == &list) {
      // As in find_or_make(): either the offline of `to` sees the list, or this thread sees that `to` goes.
      full_fence();
      if (to->online() || !node.lists.clear_if(index_of(to->id()), &list)) break;
    } else if (found != nullptr) {
      splice(list, *found);
      break;
    }
    // Metadata is exhausted, or `to` has just gone, so the next ancestor is tried. The root always has a list.
  }
  node.lru->mark(*to);
}

// In a read section.
void drain(LruNode& node, Tenant& tenant) {
  const uint32_t id = index_of(tenant.id());
  LruList* const list = node.lists.load(id);
  if (list == nullptr || list->owner.load(std::memory_order_acquire) != &tenant) return;
  if (node.lists.clear_if(id, list)) send_up(node, tenant, *list);
}

// The list of a tenant that was online in this read section. The list is made if there is none. It may have been sent up meanwhile;
// lock_root() follows it.
//
// A slot must not be filled once the tenant's id may belong to another tenant. Both sides store, then fence, then load: offline makes the
// tenant dying before it looks at the slots, and this function publishes before it looks at the tenant. So one of the two drains the
// published list. The id belongs to the tenant until this section ends.
LruList* find_or_make(LruNode& node, Tenant& tenant) {
  if (&tenant == &root_tenant) return &node.root;
  const uint32_t id = index_of(tenant.id());
  if (LruList* list = node.lists.load(id)) return list;
  LruList* const fresh = LruList::create(&tenant);
  if (fresh == nullptr) return nullptr;
  LruList* const found = node.lists.publish(id, fresh);
  if (found != fresh) {
    meta_arena.release(fresh, sizeof *fresh);
    return found;
  }
  full_fence();
  if (TENURE_UNLIKELY(!tenant.online())) drain(node, tenant);
  return fresh;
}

size_t count_on(LruNode& node, Tenant& tenant) {
  const LruList* const list = node.find(tenant);
  return list ? list->count.load(std::memory_order_relaxed) : 0;
}

}  // namespace

LruList* LruNode::find(Tenant& asked) {
  Tenant& tenant = asked.nearest_online();
  return &tenant == &root_tenant ? &root : lists.load(index_of(tenant.id()));
}

void Lru::mark(Tenant& tenant) const {
  // Relaxed: the thread that ties a shrinker looks at all lists itself, a grace period later: tie_lru().
  if (const uint32_t number = shrinker.load(std::memory_order_relaxed))
    mark_shrinker(tenant, number - 1);
}

Lru* Lru::create(LruNodes nodes) {
  auto* lru = meta_arena.create<Lru>();
  if (lru == nullptr) return nullptr;
  void* const room = meta_arena.allocate(nodes.count * sizeof(LruNode));
  if (room == nullptr) {
    meta_arena.destroy(lru);
    return nullptr;
  }
  lru->nodes = {static_cast<LruNode*>(room), nodes.count};
  lru->current_node = nodes.current;
  for (LruNode& node : lru->nodes) {
    new (&node) LruNode;
    node.lru = lru;
    node.root.start();
  }
  MutexGuard guard(tenants_mutex);
  lru->next = all_lrus;
  all_lrus = lru;
  return lru;
}

int Lru::destroy(Lru* lru) {
  {
    // No offline is under way, and no other thread reaches a list.
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
  for (LruNode& node : lru->nodes) {
    node.lists.for_each([](uint32_t, LruList* list) {
      meta_arena.release(list, sizeof *list);
      return true;
    });
    node.lists.destroy();
  }
  meta_arena.release(lru->nodes.data(), lru->nodes.size_bytes());
  meta_arena.destroy(lru);
  return 0;
}

int lru_add(Lru& lru, Tenant& tenant, LruItem& item) {
  grace::ReadSection section;
  LruList* const list = find_or_make(lru.node_of_caller(), tenant.nearest_online());
  if (list == nullptr) return -ENOMEM;
  LruList& root = lock_root(*list);
  // Release: pairs with home_word(). The finder of the home waits for the lock, and then for the links.
  uintptr_t none = 0;
  if (!item.home.compare_exchange_strong(none, reinterpret_cast<uintptr_t>(&root),
                                         std::memory_order_acq_rel, std::memory_order_relaxed)) {
    root.lock.unlock();
    return -EEXIST;
  }
  root.append(item);
  root.count_by(1);
  ++root.references;
  // Valid in this section: a departed owner has sent the list up, under the lock.
  Tenant& owner = root.owner_or_root();
  root.lock.unlock();
  lru.mark(owner);
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
  if (home.held()) item.set_home({});  // The walk drops the reference.
  root->lock.unlock();
  return home.held() ? 0 : -EINVAL;
}

size_t lru_count(Lru& lru, Tenant& tenant) {
  grace::ReadSection section;
  size_t count = 0;
  for (LruNode& node : lru.nodes) count += count_on(node, tenant);
  return count;
}

size_t lru_count_node(Lru& lru, Tenant& tenant, uint32_t node) {
  grace::ReadSection section;
  return node < lru.nodes.size() ? count_on(lru.nodes[node], tenant) : 0;
}

size_t lru_bytes(const Lru& lru) {
  size_t bytes = sizeof lru + lru.nodes.size_bytes();
  for (const LruNode& node : lru.nodes) {
    bytes += node.lists.bytes();
    node.lists.for_each([&bytes](uint32_t, LruList*) { return (bytes += sizeof(LruList)) != 0; });
  }
  return bytes;
}

void mark_lru_owners(Lru& lru) {
  grace::ReadSection section;
  for_each_list(lru, [&lru](LruList& list) {
    if (list.count.load(std::memory_order_relaxed) != 0) lru.mark(list.owner_or_root());
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
  full_fence();  // find_or_make()
  for (Lru* lru = all_lrus; lru != nullptr; lru = lru->next) {
    grace::ReadSection section;
    for (LruNode& node : lru->nodes) drain(node, tenant);
  }
}

void lrus_after_fork_child() {
  for (Lru* lru = all_lrus; lru != nullptr; lru = lru->next) {
    for_each_list(*lru, [](LruList& list) { list.lock.reset_after_fork(); });
  }
}

bool validate_lru(Lru& lru) {
  bool good = true;
  for (const LruNode& node : lru.nodes) good &= node.lists.validate();
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
