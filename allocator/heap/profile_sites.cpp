#include "allocator/heap/profile_sites.h"

#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bit>

#include "allocator/fronts/sampler.h"
#include "allocator/upkeep/reclaim.h"
#include "base/memory/meta_arena.h"
#include "base/stack/stack_walk.h"
#include "base/system/sandbox.h"
#include "base/words/exponential.h"
#include "rcu/rseq_ops.h"

namespace tenure {

constinit std::atomic<uint64_t> lost_samples{0};
constinit ProfileTable<ProfileStack, 8192> profile_stacks;
constinit ProfileTable<ProfileTenant, 8192> profile_tenants;
constinit ProfileTable<ProfileSite, 32768> profile_sites;

namespace {

constinit std::atomic<size_t> bytes_held{0};
constinit std::atomic<uint32_t> last_stack{0}, last_tenant{0}, last_site{0};

uint64_t add_to_hash(uint64_t hash, uint64_t word) { return mix_random(hash * kRandomStep + word); }

// Of many words: one multiplication for each.
uint64_t hash_of(const void* const* frames, uint32_t depth) {
  uint64_t hash = depth;
  for (uint32_t i = 0; i < depth; ++i)
    hash = (std::rotl(hash, 29) ^ reinterpret_cast<uint64_t>(frames[i])) * kRandomStep;
  return mix_random(hash);
}

void* take_memory(size_t bytes) {
  const size_t block = MetaArena::block_bytes(bytes);
  if (bytes_held.fetch_add(block, std::memory_order_relaxed) + block <= kMostProfileBytes) {
    if (void* memory = meta_arena.allocate(bytes)) return memory;
  }
  bytes_held.fetch_sub(block, std::memory_order_relaxed);
  return nullptr;
}
void give_memory(void* memory, size_t bytes) {
  meta_arena.release(memory, bytes);
  bytes_held.fetch_sub(MetaArena::block_bytes(bytes), std::memory_order_relaxed);
}

// The entry of the list that is_same(), or one that make() makes; nullptr if it makes none.
template <typename Entry, typename Same, typename Make, typename Drop>
Entry* find_or_add(std::atomic<Entry*>& list, Same is_same, Make make, Drop drop) {
  Entry* made = nullptr;
  // Acquire: pairs with the exchange that published the entry.
  Entry* head = list.load(std::memory_order_acquire);
  Entry* looked_at = nullptr;  // From here on nothing was found.
  for (;;) {
    for (Entry* entry = head; entry != looked_at; entry = entry->next) {
      if (!is_same(*entry)) continue;
      if (made) drop(made);
      return entry;
    }
    looked_at = head;
    if (made == nullptr && (made = make()) == nullptr) return nullptr;
    made->next = head;
    if (list.compare_exchange_weak(head, made, std::memory_order_acq_rel,
                                   std::memory_order_acquire))
      return made;
  }
}

TENURE_NOINLINE const ProfileStack* find_stack() {
  const void* frames[kDeepestStack];
  const auto depth = static_cast<uint32_t>(walk_stack(frames, kDeepestStack));
  const uint64_t hash = hash_of(frames, depth);
  const size_t frame_bytes = depth * sizeof frames[0], bytes = sizeof(ProfileStack) + frame_bytes;
  return find_or_add(
      profile_stacks.list(hash),
      [&](const ProfileStack& stack) {
        return stack.hash == hash && stack.depth == depth &&
               memcmp(stack.frames, frames, frame_bytes) == 0;
      },
      [&]() -> ProfileStack* {
        auto* const stack = static_cast<ProfileStack*>(take_memory(bytes));
        if (stack == nullptr) return nullptr;
        stack->hash = hash;
        stack->number = last_stack.fetch_add(1, std::memory_order_relaxed) + 1;
        stack->depth = depth;
        memcpy(stack->frames, frames, frame_bytes);
        return stack;
      },
      [&](ProfileStack* stack) { give_memory(stack, bytes); });
}

const ProfileTenant* find_tenant_label(const Tenant& tenant) {
  char path[kLongestLabel];
  tenant.copy_path(path, sizeof path);
  const auto length = static_cast<uint32_t>(strlen(path));
  return find_or_add(
      profile_tenants.list(mix_random(tenant.number)),
      [&](const ProfileTenant& label) {
        return label.place == tenant.number && label.length == length &&
               memcmp(label.path, path, length) == 0;
      },
      [&]() -> ProfileTenant* {
        auto* const label = static_cast<ProfileTenant*>(take_memory(sizeof(ProfileTenant)));
        if (label == nullptr) return nullptr;
        label->number = last_tenant.fetch_add(1, std::memory_order_relaxed) + 1;
        label->place = tenant.number;
        label->id = index_of(tenant.id());
        label->length = length;
        memcpy(label->path, path, length);
        return label;
      },
      [](ProfileTenant* label) { give_memory(label, sizeof *label); });
}

// ---- names of threads ----

struct ThreadName {
  char text[16];  // Ends with 0.
  uint64_t words[2];

  void ask() {
    // No names under a filter, which may end the process for the question.
    if (!is_filtered()) syscall(SYS_prctl, PR_GET_NAME, text);
    text[sizeof text - 1] = '\0';
    memcpy(words, text, sizeof words);
  }
};

// Names that were asked for a moment ago: the system call takes longer than the rest of a sample. A thread's new name is seen that much later.
// {the thread and the moment, exclusive-or both words; words}: an entry that two threads have written at once names no thread. Relaxed: so
// it needs no order.
struct RememberedName {
  std::atomic<uint64_t> key, words[2];
};
constexpr size_t kRememberedNames = 64;
constinit RememberedName remembered_names[kRememberedNames]{};
constexpr uint32_t kMomentMs = 8;

ThreadName thread_name() {
  ThreadName name = {};
  const uint64_t thread = mix_random(reinterpret_cast<uint64_t>(&this_thread));
  const uint64_t now = mix_random(thread + coarse_ms() / kMomentMs);
  RememberedName& entry = remembered_names[thread % kRememberedNames];
  const auto sum = [&name] { return mix_random(name.words[0] * kRandomStep + name.words[1]); };
  for (int i = 0; i < 2; ++i) name.words[i] = entry.words[i].load(std::memory_order_relaxed);
  if ((entry.key.load(std::memory_order_relaxed) ^ sum()) == now) {
    memcpy(name.text, name.words, sizeof name.text);
    return name;
  }
  name = {};
  name.ask();
  for (int i = 0; i < 2; ++i) entry.words[i].store(name.words[i], std::memory_order_relaxed);
  entry.key.store(now ^ sum(), std::memory_order_relaxed);
  return name;
}

}  // namespace

ProfileSite* find_site(const Tenant& tenant, uint64_t size) {
  const ProfileStack* const stack = find_stack();
  const ProfileTenant* const label = find_tenant_label(tenant);
  if (stack == nullptr || label == nullptr) return nullptr;
  const ThreadName name = thread_name();
  const uint64_t mean = sampler.mean.load(std::memory_order_relaxed);
  uint64_t hash = add_to_hash(stack->hash, label->number);
  for (const uint64_t word : {name.words[0], name.words[1], size, mean})
    hash = add_to_hash(hash, word);
  return find_or_add(
      profile_sites.list(hash),
      [&](const ProfileSite& site) {
        return site.hash == hash && site.stack == stack && site.tenant == label &&
               site.size == size && site.mean == mean &&
               memcmp(site.thread, name.text, sizeof name.text) == 0;
      },
      [&]() -> ProfileSite* {
        auto* const site = static_cast<ProfileSite*>(take_memory(sizeof(ProfileSite)));
        if (site == nullptr) return nullptr;
        site->hash = hash;
        site->number = last_site.fetch_add(1, std::memory_order_relaxed) + 1;
        site->stack = stack;
        site->tenant = label;
        site->size = size;
        site->mean = mean;
        memcpy(site->thread, name.text, sizeof name.text);
        return site;
      },
      [](ProfileSite* site) { give_memory(site, sizeof *site); });
}

size_t profile_bytes() { return bytes_held.load(std::memory_order_relaxed); }

}  // namespace tenure
