#include "rcu/rcu_array.h"

#include "base/memory/meta_arena.h"
#include "base/system/check.h"
#include "base/words/atomic_update.h"
#include "base/words/bits.h"
#include "rcu/deferred.h"

namespace tenure {

struct RcuArrayCore::Directory {
  DeferredItem item;                // The queue's, once superseded. First: found again by a cast.
  uint32_t leaves;                  // Constant: length of entries.
  std::atomic<uint64_t> entries[];  // LeafEntry words, changed by CAS.

  // The directory fills its block, and is twice as long as the one before.
  static constexpr size_t kDoubledTo = kMiB;
  static size_t size_for(uint32_t leaves) {
    const size_t wanted = sizeof(Directory) + leaves * sizeof(std::atomic<uint64_t>);
    const size_t block = wanted <= kCacheLine ? kCacheLine : size_t{1} << log2_ceil(wanted);
    return block <= kDoubledTo ? block : round_up(wanted, kPageSize);
  }
  static uint32_t leaves_in(size_t size) {
    return static_cast<uint32_t>((size - sizeof(Directory)) / sizeof(std::atomic<uint64_t>));
  }
  size_t size() const { return size_for(leaves); }

  // Acquire: pairs with the release that published the leaf, in reserve() or grow().
  LeafEntry entry(uint32_t index) const { return {entries[index].load(std::memory_order_acquire)}; }
  // Release publishes a new leaf; acquire joins the leaf's earlier life.
  bool exchange(uint32_t index, LeafEntry from, LeafEntry to) {
    return entries[index].compare_exchange_strong(from.word, to.word, std::memory_order_acq_rel,
                                                  std::memory_order_relaxed);
  }
};

RcuArrayCore::Leaf* RcuArrayCore::find_leaf(uint32_t id) const {
  TENURE_ASSERT(grace::in_read_section());
  // Acquire: pairs with the publication in grow().
  const Directory* directory = directory_.load(std::memory_order_acquire);
  const uint32_t index = id / kLeafSlots;
  if (directory == nullptr || index >= directory->leaves) return nullptr;
  return static_cast<Leaf*>(directory->entry(index).leaf());
}

void* RcuArrayCore::load(uint32_t id) const {
  const Leaf* leaf = find_leaf(id);
  // Acquire: pairs with the exchange in publish(), so that the pointee is seen whole.
  return leaf ? leaf->slots[id % kLeafSlots].load(std::memory_order_acquire) : nullptr;
}

// Replaces `old` (nullptr: there is none) by a directory of at least `leaves`. True if some
// directory has replaced it.
bool RcuArrayCore::grow(Directory* old, uint32_t leaves) {
  const size_t size = Directory::size_for(leaves);
  // Allocated before any entry is frozen, so that a thread that has frozen an entry can finish.
  auto* fresh = static_cast<Directory*>(meta_arena.allocate(size));
  if (fresh == nullptr) return directory_.load(std::memory_order_relaxed) != old;
  fresh->leaves = Directory::leaves_in(size);
  if (old) {
    for (uint32_t i = 0; i < old->leaves; ++i) {
      // From here on the entry cannot change, so this copy and every helper's are equal. Acquire:
      // the leaf's contents.
      const uint64_t word = old->entries[i].fetch_or(LeafEntry::kFrozen, std::memory_order_acq_rel);
      fresh->entries[i].store(LeafEntry{word}.thawed().word, std::memory_order_relaxed);
    }
  }
  // Release: the entries come before; pairs with the loads of directory_.
  if (directory_.compare_exchange_strong(old, fresh, std::memory_order_acq_rel)) {
    if (old) {
      deferred::defer(old->item, [](DeferredItem* item) {
        auto* gone = reinterpret_cast<Directory*>(item);
        meta_arena.release(gone, gone->size());
      });
    }
  } else {
    meta_arena.release(fresh, size);
  }
  return true;
}

// Counts one more taken slot in the id's leaf, and makes the leaf if there is none. In a read section.
RcuArrayCore::Leaf* RcuArrayCore::reserve(uint32_t id) {
  const uint32_t index = id / kLeafSlots;
  Leaf* spare = nullptr;
  for (;;) {
    Directory* directory = directory_.load(std::memory_order_acquire);
    if (directory == nullptr || index >= directory->leaves) {
      if (grow(directory, index + 1)) continue;
      break;
    }
    const LeafEntry entry = directory->entry(index);
    if (entry.frozen()) {
      if (grow(directory, directory->leaves + 1)) continue;
      break;
    }
    if (entry.leaf() != nullptr) {
      if (!directory->exchange(index, entry, entry.with_live(entry.live() + 1))) continue;
      if (spare) meta_arena.release(spare, sizeof(Leaf));
      return static_cast<Leaf*>(entry.leaf());
    }
    if (spare == nullptr) spare = static_cast<Leaf*>(meta_arena.allocate(sizeof(Leaf)));
    if (spare == nullptr) break;
    if (directory->exchange(index, entry, LeafEntry::of(spare, 1))) return spare;
  }
  if (spare) meta_arena.release(spare, sizeof(Leaf));
  return nullptr;
}

// Counts one slot less. The leaf is removed with its last slot. In a read section.
void RcuArrayCore::unreserve(uint32_t id) {
  const uint32_t index = id / kLeafSlots;
  deferred::Retirement* retirement = nullptr;
  for (;;) {
    Directory* directory = directory_.load(std::memory_order_acquire);
    const LeafEntry entry = directory->entry(index);
    if (entry.frozen()) {
      if (grow(directory, directory->leaves + 1)) continue;
      break;  // Out of metadata: the count stays too high, which only keeps the leaf.
    }
    TENURE_ASSERT(entry.live() != 0);
    if (entry.live() == 1 && retirement == nullptr) retirement = deferred::reserve_retirement();
    const bool last = entry.live() == 1 && retirement != nullptr;
    if (!directory->exchange(index, entry, last ? LeafEntry{} : entry.with_live(entry.live() - 1)))
      continue;
    if (last) {
      // All its slots are empty: each is emptied before it is uncounted, and counted before it is
      // taken.
      deferred::retire(retirement, entry.leaf(), sizeof(Leaf));
      return;
    }
    break;
  }
  deferred::cancel(retirement);
}

void* RcuArrayCore::publish(uint32_t id, void* pointer) {
  TENURE_ASSERT(pointer != nullptr);
  grace::ReadSection section;  // The section keeps directory and leaf valid.
  Leaf* leaf = reserve(id);
  if (leaf == nullptr) return nullptr;
  void* seen = nullptr;
  // Release: the pointee is complete; pairs with load(). Acquire: the winner's pointee, if we lost.
  if (leaf->slots[id % kLeafSlots].compare_exchange_strong(seen, pointer, std::memory_order_acq_rel,
                                                           std::memory_order_acquire)) {
    return pointer;
  }
  unreserve(id);
  return seen;
}

bool RcuArrayCore::clear_if(uint32_t id, void* pointer) {
  grace::ReadSection section;
  Leaf* leaf = find_leaf(id);
  if (leaf == nullptr) return false;
  // The slot's own count keeps the leaf until unreserve(). Release: what the caller did to the
  // pointee before.
  if (!leaf->slots[id % kLeafSlots].compare_exchange_strong(
          pointer, nullptr, std::memory_order_acq_rel, std::memory_order_relaxed)) {
    return false;
  }
  unreserve(id);
  return true;
}

uint32_t RcuArrayCore::limit() const {
  const Directory* directory = directory_.load(std::memory_order_acquire);
  return directory ? directory->leaves * kLeafSlots : 0;
}

size_t RcuArrayCore::bytes() const {
  grace::ReadSection section;
  const Directory* directory = directory_.load(std::memory_order_acquire);
  if (directory == nullptr) return 0;
  size_t total = directory->size();
  for (uint32_t i = 0; i < directory->leaves; ++i) {
    if (directory->entry(i).leaf() != nullptr) total += sizeof(Leaf);
  }
  return total;
}

bool RcuArrayCore::validate() const {
  grace::ReadSection section;
  const Directory* directory = directory_.load(std::memory_order_acquire);
  if (directory == nullptr) return true;
  for (uint32_t i = 0; i < directory->leaves; ++i) {
    const LeafEntry entry = directory->entry(i);
    const auto* leaf = static_cast<const Leaf*>(entry.leaf());
    uint32_t taken = 0;
    for (uint32_t slot = 0; leaf != nullptr && slot < kLeafSlots; ++slot) {
      if (leaf->slots[slot].load(std::memory_order_relaxed) != nullptr) ++taken;
    }
    if (entry.live() < taken) return false;
  }
  return true;
}

void RcuArrayCore::destroy() {
  Directory* directory = directory_.exchange(nullptr, std::memory_order_acq_rel);
  if (directory == nullptr) return;
  for (uint32_t i = 0; i < directory->leaves; ++i) {
    if (void* leaf = directory->entry(i).leaf()) meta_arena.release(leaf, sizeof(Leaf));
  }
  meta_arena.release(directory, directory->size());
}

}  // namespace tenure
