#include "rcu/deferred.h"

#include <atomic>

#include "base/memory/meta_arena.h"
#include "base/system/check.h"
#include "base/threads/lock.h"

namespace tenure::deferred {

struct Retirement {
  DeferredItem item;  // First: found again by a cast.
  void* block;
  size_t bytes;
};

namespace {

// Serialises threads that run items, and protects nothing else. It has the highest rank, because run() takes no lock.
constinit Mutex lock{LockRank::kDeferred};

// A stack that is only pushed to and taken whole, so there is no ABA problem. Valid at every instant, also for fork.
constinit std::atomic<DeferredItem*> queue{nullptr};
constinit std::atomic<size_t> queued{0};  // Statistics: relaxed.

// No queued item may run before this cookie; 0 if unknown. Under the lock. So a drain costs nothing while a reader is stopped and items
// pile up.
constinit grace::Cookie oldest = 0;

// Release: the item's fields come before; pairs with the exchange in take_all().
void push_chain(DeferredItem* first, DeferredItem* last) {
  DeferredItem* head = queue.load(std::memory_order_relaxed);
  do {
    last->next = head;
  } while (!queue.compare_exchange_weak(head, first, std::memory_order_release,
                                        std::memory_order_relaxed));
}

// Acquire: pairs with push_chain().
DeferredItem* take_all() { return queue.exchange(nullptr, std::memory_order_acquire); }

void run_item(DeferredItem* item) {
  queued.fetch_sub(1, std::memory_order_relaxed);
  item->run(item);
}

}  // namespace

void defer(DeferredItem& item, void (*run)(DeferredItem*)) {
  item.run = run;
  item.cookie = grace::start_poll();
  queued.fetch_add(1, std::memory_order_relaxed);
  push_chain(&item, &item);
}

Retirement* reserve_retirement() { return meta_arena.create<Retirement>(); }

void cancel(Retirement* retirement) {
  if (retirement) meta_arena.destroy(retirement);
}

void retire(Retirement* retirement, void* block, size_t bytes) {
  retirement->block = block;
  retirement->bytes = bytes;
  defer(retirement->item, [](DeferredItem* item) {
    auto* done = reinterpret_cast<Retirement*>(item);
    meta_arena.release(done->block, done->bytes);
    meta_arena.destroy(done);
  });
}

size_t drain() {
  if (queue.load(std::memory_order_relaxed) == nullptr) return 0;
  if (!lock.try_lock()) return 0;  // Another thread is draining.
  size_t done = 0;
  if (oldest == 0 || grace::poll(oldest)) {
    DeferredItem *kept_first = nullptr, *kept_last = nullptr;
    grace::Cookie kept_oldest = 0;
    bool stalled =
        false;  // A reader delays the grace period. The drain does not look at the readers again for each item.
    for (DeferredItem* item = take_all(); item != nullptr;) {
      DeferredItem* next = item->next;
      if (stalled ? grace::passed(item->cookie) : grace::poll(item->cookie)) {
        run_item(item);
        ++done;
      } else {
        stalled = true;
        if (kept_oldest == 0 || item->cookie < kept_oldest) kept_oldest = item->cookie;
        item->next = kept_first;
        kept_first = item;
        if (kept_last == nullptr) kept_last = item;
      }
      item = next;
    }
    // An item pushed from now on has a cookie no smaller: cookies grow. An item whose cookie was
    // drawn earlier but which is pushed later is only found a little later.
    oldest = kept_oldest;
    if (kept_first) push_chain(kept_first, kept_last);
  }
  lock.unlock();
  return done;
}

void flush() {
  MutexGuard guard(lock);
  oldest = 0;
  while (DeferredItem* item = take_all()) {
    grace::synchronize();
    while (item != nullptr) {
      DeferredItem* next = item->next;
      run_item(item);
      item = next;
    }
  }
}

size_t pending() { return queued.load(std::memory_order_relaxed); }

void after_fork_child() {
  lock.reset_after_fork();
  // A vanished thread may have been between counting and queueing, or between taking and running.
  size_t count = 0;
  for (DeferredItem* item = queue.load(std::memory_order_acquire); item != nullptr;
       item = item->next)
    ++count;
  // The count is only written if it changes, because each write to a page is a fault in each child.
  if (queued.load(std::memory_order_relaxed) != count)
    queued.store(count, std::memory_order_relaxed);
  if (oldest != 0) oldest = 0;
}

}  // namespace tenure::deferred
