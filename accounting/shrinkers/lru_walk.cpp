// Walks: reclaim, and other code that looks for items, visits them one after the other.
#include "accounting/callbacks/user_call.h"
#include "accounting/shrinkers/lru.h"
#include "accounting/tenants/tenant.h"

namespace tenure {
namespace {

// A walk's place in the ring: a node of its own, which splices carry along. Its reference keeps the
// home, and with it every list the home forwards to.
class Cursor {
public:
  // At the cold end of the list, if it has items. Returns how many.
  size_t enter(LruNode& node, Tenant& tenant) {
    grace::ReadSection section;
    LruList* const list = node.find(tenant);
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

  // Carries out the verdict. False if another thread asked for the item meanwhile and it may be `shown_again`: the caller then shows it
  // again.
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
        Tenant& owner = root.owner_or_root();
        root.lock.unlock();
        lru.mark(owner);  // The shrinker may have counted 0 meanwhile.
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

// The node's share of the items still to be shown, in proportion to its part of all items.
size_t share_of(size_t most, size_t items, size_t all) {
  size_t product;
  if (items >= all || __builtin_mul_overflow(most, items, &product)) return most;
  return (product + all - 1) / all;
}

class Walk {
public:
  Walk(Lru& lru, Tenant& tenant, LruCallback callback, void* argument)
      : lru_(lru), tenant_(tenant), callback_(callback), argument_(argument) {}

  // Returns the number of shown items.
  size_t show(LruNode& node, size_t most) {
    Cursor cursor;
    const size_t items = most == 0 ? 0 : cursor.enter(node, tenant_);
    if (items == 0) return 0;
    if (most > items) most = items;
    size_t shown = 0;
    while (shown < most && !stopped()) {
      HomeWord home;
      LruItem* const item = cursor.take(&home);
      if (item == nullptr) break;
      ++shown;
      verdict_ = call_verdict(callback_, item, argument_);
      if (!cursor.settle(lru_, *item, home, verdict_, true)) {
        // The last time, so that repeated requests for the item do not delay the walk.
        verdict_ = call_verdict(callback_, item, argument_);
        cursor.settle(lru_, *item, home, verdict_, false);
      }
      removed_ += verdict_ == LruVerdict::kRemoved;
    }
    cursor.leave();
    return shown;
  }

  bool stopped() const { return verdict_ == LruVerdict::kStop; }
  size_t removed() const { return removed_; }

private:
  Lru& lru_;
  Tenant& tenant_;
  const LruCallback callback_;
  void* const argument_;
  LruVerdict verdict_ = LruVerdict::kSkip;
  size_t removed_ = 0;
  const CancellationPause pause_;
};

}  // namespace

size_t lru_walk(Lru& lru, Tenant& tenant, LruCallback callback, void* argument, size_t most) {
  const auto nodes = static_cast<uint32_t>(lru.nodes.size());
  if (nodes == 1) return lru_walk_node(lru, tenant, 0, callback, argument, most);
  size_t all = lru_count(lru, tenant);
  if (most > all) most = all;
  const uint32_t first = lru.next_first.fetch_add(1, std::memory_order_relaxed) % nodes;
  Walk walk(lru, tenant, callback, argument);
  for (uint32_t i = 0; i < nodes && most != 0 && !walk.stopped(); ++i) {
    const uint32_t node = (first + i) % nodes;
    const size_t items = lru_count_node(lru, tenant, node);
    most -= walk.show(lru.nodes[node], share_of(most, items, all));
    all -= items < all ? items : all;
  }
  return walk.removed();
}

size_t lru_walk_node(Lru& lru, Tenant& tenant, uint32_t node, LruCallback callback, void* argument,
                     size_t most) {
  if (node >= lru.nodes.size()) return 0;
  Walk walk(lru, tenant, callback, argument);
  walk.show(lru.nodes[node], most);
  return walk.removed();
}

}  // namespace tenure
