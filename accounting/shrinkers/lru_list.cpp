#include "accounting/shrinkers/lru_list.h"

#include "accounting/tenants/tenant.h"
#include "base/memory/meta_arena.h"
#include "base/system/check.h"

namespace tenure {
namespace {

void release(LruList& list) {
  deferred::defer(list.item, [](DeferredItem* item) {
    auto* bytes = reinterpret_cast<char*>(item) - __builtin_offsetof(LruList, item);
    meta_arena.release(bytes, sizeof(LruList));
  });
}

// Also for a list whose own lock is held, which has the lower rank.
LruList& lock_root_above(LruList& list) {
  LruList* at = &list;
  for (;;) {
    while (LruList* next = at->forward.load(std::memory_order_acquire)) at = next;
    at->lock.lock_above();
    if (at->forward.load(std::memory_order_relaxed) == nullptr) return *at;
    at->lock.unlock_above();
  }
}

}  // namespace

LruList* LruList::create(Tenant* owner) {
  auto* list = meta_arena.create<LruList>(owner);
  if (list) list->start();
  return list;
}

Tenant& LruList::owner_or_root() const {
  Tenant* const tenant = owner.load(std::memory_order_acquire);
  return tenant ? *tenant : root_tenant;
}

void LruList::start() {
  if (head.next == nullptr) head.next = head.previous = &head;
}

void LruList::insert(LruLinks& links, LruLinks& before) {
  links.next = &before;
  links.previous = before.previous;
  before.previous->next = &links;
  before.previous = &links;
}

void LruList::unlink(LruLinks& links) {
  links.previous->next = links.next;
  links.next->previous = links.previous;
}

LruList& lock_root(LruList& list) {
  LruList* at = &list;
  for (;;) {
    // Acquire: pairs with the release in splice().
    while (LruList* next = at->forward.load(std::memory_order_acquire)) at = next;
    at->lock.lock();
    if (at->forward.load(std::memory_order_relaxed) == nullptr) return *at;
    at->lock.unlock();
  }
}

LruList* lock_home(const LruItem& item, HomeWord* home) {
  TENURE_ASSERT(grace::in_read_section());
  for (;;) {
    const HomeWord seen = item.home_word();
    if (seen.list() == nullptr) return nullptr;
    LruList& root = lock_root(*seen.list());
    // The home is the same, so this lock protects its changes.
    if (item.home_word().word == seen.word) {
      *home = seen;
      return &root;
    }
    root.lock.unlock();
  }
}

void drop_reference(LruList& home) {
  LruList* list = &home;
  while (--list->references == 0) {
    LruList* const next = list->forward.load(std::memory_order_relaxed);
    if (next == nullptr) return;  // The root itself: freed with its tenant or its LRU.
    release(*list);
    list = next;
  }
}

LruList& splice(LruList& list, LruList& target) {
  TENURE_ASSERT(grace::in_read_section());
  list.lock.lock();
  LruList& root = lock_root_above(target);
  TENURE_ASSERT(&root != &list && list.forward.load(std::memory_order_relaxed) == nullptr);
  if (list.head.next != &list.head) {
    LruLinks* const first = list.head.next;
    LruLinks* const last = list.head.previous;
    first->previous = root.head.previous;
    root.head.previous->next = first;
    last->next = &root.head;
    root.head.previous = last;
    list.head.next = list.head.previous = &list.head;
  }
  root.count_by(static_cast<intptr_t>(list.count.load(std::memory_order_relaxed)));
  list.count.store(0, std::memory_order_relaxed);
  const bool needed = list.references != 0;
  if (needed) ++root.references;
  list.forward.store(&root, std::memory_order_release);
  root.lock.unlock_above();
  list.lock.unlock();
  if (!needed) release(list);
  return root;
}

}  // namespace tenure
