// The lookup pattern of type-safe caches under load (docs/rcu.md). Writers replace what slots name, and free it at once; readers find objects
// in read sections, take a reference if there is one to be had, and look again whether the object is the one they looked for.
// Other threads use the memory that slabs give back for something else, which no reader may touch. At last the same readers leave the second
// look out, and must find objects that are not theirs: so the load is one in which a missing look would be noticed.
#include "flavor.h"

#include <atomic>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

namespace {

constexpr uint64_t kMark = 0x6c6f6f6b7570ULL;
constexpr int kSlots = 64;

// Readers write `references` of objects that may be free: it is the constructor's, and each user leaves it at 0. `key` and `value` change
// while nobody has a reference.
struct Object {
  uint64_t mark;
  std::atomic<uint32_t> references;
  std::atomic<uint32_t> key;
  std::atomic<uint64_t> value;
  char rest[1000];
};

uint64_t value_of(uint32_t key) { return key * 0x9e3779b97f4a7c15ULL; }

void construct(void* memory) {
  auto* const object = static_cast<Object*>(memory);
  object->mark = kMark;
  object->references.store(0, std::memory_order_relaxed);
}

struct tenure_cache* cache;
struct tenure_tenant* tenants[3];
std::atomic<Object*> slots[kSlots];
std::atomic<bool> over{false}, looks_again{true};
std::atomic<uint64_t> lookups{0}, strangers{0}, writes{0};

class Random {
public:
  explicit Random(uint32_t seed) : state_(seed) {}
  uint32_t next() { return (state_ = state_ * 1664525u + 1013904223u) >> 12; }

private:
  uint32_t state_;
};

void quiescent() {
#if defined(FLAVOR_qsbr)
  rcu_quiescent_state();
#endif
}

bool get(Object& object) {
  uint32_t references = object.references.load(std::memory_order_relaxed);
  do {
    if (references == 0) return false;
    CHECK(references < 1000);  // Not the cache's memory any more.
  } while (!object.references.compare_exchange_weak(references, references + 1,
                                                    std::memory_order_acquire));
  return true;
}

void put(Object& object) {
  if (object.references.fetch_sub(1, std::memory_order_acq_rel) == 1)
    tenure_cache_free(cache, &object);
}

// The object of the key with a reference, or nullptr.
Object* find(uint32_t key, bool pauses) {
  Object* found = nullptr;
  rcu_read_lock();
  for (;;) {
    found = slots[key].load(std::memory_order_acquire);
    if (found == nullptr) break;
    if (pauses) std::this_thread::yield();
    CHECK(found->mark == kMark);
    if (!get(*found)) continue;
    if (!looks_again.load(std::memory_order_relaxed) ||
        found->key.load(std::memory_order_relaxed) == key)
      break;
    put(*found);
  }
  rcu_read_unlock();
  return found;
}

void keep_reading(uint32_t seed) {
  const Registered registered;
  Random random(seed);
  while (!over.load(std::memory_order_relaxed)) {
    const uint32_t key = random.next() % kSlots;
    if (Object* const found = find(key, random.next() % 200 == 0)) {
      const bool right = found->key.load(std::memory_order_relaxed) == key &&
                         found->value.load(std::memory_order_relaxed) == value_of(key);
      if (!right) strangers.fetch_add(1, std::memory_order_relaxed);
      put(*found);
    }
    quiescent();
    lookups.fetch_add(1, std::memory_order_relaxed);
  }
}

// Takes what the slots name away, and puts new objects into others, so that slabs become empty now and then.
void keep_writing(uint32_t seed) {
  const Registered registered;
  Random random(seed);
  while (!over.load(std::memory_order_relaxed)) {
    const bool clears = random.next() % 8 == 0;
    for (int i = 0; i < kSlots; ++i) {
      const uint32_t key = random.next() % kSlots;
      Object* fresh = nullptr;
      if (!clears) {
        fresh = static_cast<Object*>(tenure_cache_alloc_for(cache, tenants[random.next() % 3]));
        CHECK(fresh && fresh->mark == kMark);
        fresh->key.store(key, std::memory_order_relaxed);
        fresh->value.store(value_of(key), std::memory_order_relaxed);
        fresh->references.store(1, std::memory_order_release);
      }
      if (Object* const old = slots[key].exchange(fresh, std::memory_order_acq_rel)) put(*old);
      writes.fetch_add(1, std::memory_order_relaxed);
    }
    if (clears) tenure_cache_shrink(cache);
    quiescent();
  }
}

// Memory that slabs may have given back, for objects of another kind.
void keep_using_memory() {
  constexpr int kBlocks = 40;
  constexpr size_t kBytes = 40'000;
  while (!over.load(std::memory_order_relaxed)) {
    std::vector<unsigned char*> blocks;
    for (int i = 0; i < kBlocks; ++i) {
      blocks.push_back(static_cast<unsigned char*>(malloc(kBytes)));
      CHECK(blocks.back());
      std::memset(blocks.back(), 0xee, kBytes);
    }
    std::this_thread::yield();
    for (unsigned char* const block : blocks) {
      for (size_t i = 0; i < kBytes; i += 8) CHECK(block[i] == 0xee);
      free(block);
    }
  }
}

void run_until_enough(uint64_t least) {
  const uint64_t from = lookups;
  while (lookups < from + least) std::this_thread::yield();
}

}  // namespace

int main() {
  CHECK(tenure_cache_create_rcu("slots", sizeof(Object), 0, TENURE_TYPESAFE_BY_RCU, construct,
                                &cache) == 0);
  tenants[0] = tenure_root();
  CHECK(tenure_tenant_create(nullptr, "shared", 0, &tenants[1]) == 0);
  CHECK(tenure_tenant_create(nullptr, "isolated", TENURE_ISOLATED, &tenants[2]) == 0);
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < 2; ++i) threads.emplace_back(keep_reading, i + 1);
  for (uint32_t i = 0; i < 2; ++i) threads.emplace_back(keep_writing, i + 11);
  threads.emplace_back(keep_using_memory);
  const char* const scale = std::getenv("TENURE_TEST_SCALE");
  const uint64_t turns = scale ? static_cast<uint64_t>(std::atoi(scale)) : 1;
  for (uint64_t i = 0; i < turns; ++i) run_until_enough(100'000);
  CHECK(strangers == 0);
  looks_again = false;
  while (strangers == 0) std::this_thread::yield();
  over = true;
  for (std::thread& thread : threads) thread.join();
  const Registered registered;
  for (auto& slot : slots)
    if (Object* const object = slot.exchange(nullptr)) put(*object);
  CHECK(tenure_cache_destroy(cache, nullptr) == 0);
  for (int i = 1; i < 3; ++i) {
    CHECK(tenure_tenant_offline(tenants[i], 0) == 0);
    tenure_tenant_close(tenants[i]);
  }
  CHECK(tenure_validate() == 0);
  return 0;
}
