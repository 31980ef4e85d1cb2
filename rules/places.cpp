#include "rules/places.h"

#include <string.h>

#include "base/memory/os_memory.h"
#include "rules/member_word.h"

namespace tenure::rules {
namespace {

constexpr uint32_t kMostPlaces = 64 * 1024;
constexpr unsigned kHeads = 1024;

constinit os::GrowingRange memory;
// Protected by rules_mutex.
constinit uint32_t heads[kHeads] = {};
constinit uint32_t first_free = 0;
// Raised by the holder of rules_mutex. Read by threads with a reference, which is newer than the raise.
constinit std::atomic<uint32_t> used{0};
// The stack of places without members. All threads push. The holder of rules_mutex takes the whole stack.
constinit std::atomic<uint32_t> departed{0};
constinit uint32_t taken =
    0;  // The places that were taken and not visited yet. Protected by rules_mutex.

Place* places() { return reinterpret_cast<Place*>(memory.base()); }

void push_departed(Place& place) {
  // Relaxed: only the exchange decides which thread pushes.
  if (place.is_listed.exchange(1, std::memory_order_acq_rel) != 0) return;
  uint32_t head = departed.load(std::memory_order_relaxed);
  do {
    place.next_departed.store(head, std::memory_order_relaxed);
    // Release: pop_departed() takes the link by the head (acquire).
  } while (!departed.compare_exchange_weak(head, index_of(place), std::memory_order_release,
                                           std::memory_order_relaxed));
}

void unchain(Place& place) {
  for (uint32_t* link = &heads[place.hash % kHeads]; *link != 0; link = &place_at(*link).next) {
    if (*link != index_of(place)) continue;
    *link = place.next;
    return;
  }
}

void chain(Place& place) {
  uint32_t& head = heads[place.hash % kHeads];
  place.next = head;
  head = index_of(place);
}

Place* new_place() {
  const uint32_t index = used.load(std::memory_order_relaxed) + 1;
  if (index >= kMostPlaces || !memory.ensure((index + 1) * sizeof(Place))) return nullptr;
  Place& place = places()[index];
  place.word.store(MemberWord{0, 1}.word(), std::memory_order_relaxed);
  used.store(index, std::memory_order_release);
  return &place;
}

}  // namespace

bool reserve_places() {
  constexpr size_t kBytes = (kMostPlaces * sizeof(Place) + 0xffff) & ~size_t{0xffff};
  void* const base = os::reserve(kBytes, 4096);
  if (base == nullptr) return false;
  memory.adopt(base, kBytes, 64 * 1024);
  return true;
}

uint32_t hash_path(const char* path, size_t length) {
  uint32_t hash = 2166136261u;  // FNV-1a.
  for (size_t i = 0; i < length; ++i)
    hash = (hash ^ static_cast<unsigned char>(path[i])) * 16777619u;
  return hash;
}

uint32_t index_of(const Place& place) { return static_cast<uint32_t>(&place - places()); }
Place& place_at(uint32_t index) { return places()[index]; }
Place& place_of(Reference reference) { return place_at(static_cast<uint32_t>(reference)); }
Reference reference_of(const Place& place) {
  const auto word = MemberWord::from(place.word.load(std::memory_order_relaxed));
  return static_cast<Reference>(uint64_t{word.generation} << 32 | index_of(place));
}

Place* find_place(const char* path, size_t length) {
  const uint32_t hash = hash_path(path, length);
  for (uint32_t i = heads[hash % kHeads]; i != 0; i = place_at(i).next) {
    Place& place = place_at(i);
    if (place.hash == hash && strcmp(place.path, path) == 0) return &place;
  }
  return nullptr;
}

Place* take_place(const char* path, size_t length) {
  if (length >= kPathBytes) return nullptr;
  Place* place = nullptr;
  if (first_free != 0) {
    place = &place_at(first_free);
    first_free = place->next;
  } else {
    place = new_place();
  }
  if (place == nullptr) return nullptr;
  memcpy(place->path, path, length + 1);
  place->hash = hash_path(path, length);
  place->tenant = nullptr;
  return place;
}

void publish_place(Place& place, uint32_t members) {
  place.is_used = true;
  chain(place);
  const auto word = MemberWord::from(place.word.load(std::memory_order_relaxed));
  // Release: a thread that joins (join_place, acquire) finds the tenant.
  place.word.store(MemberWord{members, word.generation}.word(), std::memory_order_release);
}

void give_place_back(Place& place) {
  if (place.is_used) unchain(place);
  place.is_used = false;
  place.stays = false;
  place.parent = 0;
  const auto word = MemberWord::from(place.word.load(std::memory_order_relaxed));
  place.word.store(word.ended().word(), std::memory_order_release);
  place.next = first_free;
  first_free = index_of(place);
}

void add_member(Place& place) {
  // Acquire and release: as join_place() and leave_place().
  place.word.fetch_add(1, std::memory_order_acq_rel);
}

Place* pop_departed() {
  // Acquire: the links, by the threads that pushed them.
  if (taken == 0) taken = departed.exchange(0, std::memory_order_acquire);
  if (taken == 0) return nullptr;
  Place& place = place_at(taken);
  taken = place.next_departed.load(std::memory_order_relaxed);
  // Stored before claim_departed() looks at the members, so that a thread that leaves later pushes the place again. Sequentially consistent
  // with the leaving thread's decrement and exchange.
  place.is_listed.store(0, std::memory_order_seq_cst);
  return &place;
}

bool claim_departed(Place& place) {
  if (!place.is_used) return false;
  uint64_t word = place.word.load(std::memory_order_seq_cst);
  // Joining needs a member, and only this thread makes the first one.
  return MemberWord::from(word).members == 0;
}

uint32_t places_in_use() { return used.load(std::memory_order_acquire); }

bool departed_waiting() { return departed.load(std::memory_order_relaxed) != 0; }

bool join_place(Reference reference) {
  if (reference == Reference::kNone || reference == Reference::kNobody) return false;
  const auto generation = static_cast<uint32_t>(static_cast<uint64_t>(reference) >> 32);
  Place& place = place_of(reference);
  uint64_t seen = place.word.load(std::memory_order_relaxed);
  while (MemberWord::from(seen).can_join(generation)) {
    // Acquire: the tenant that publish_place() has written.
    if (place.word.compare_exchange_weak(seen, MemberWord::from(seen).joined().word(),
                                         std::memory_order_acquire, std::memory_order_relaxed))
      return true;
  }
  return false;
}

void leave_place(Membership membership) {
  if (membership == Membership::kNone || membership == Membership::kNobody) return;
  Place& place = place_of(membership);
  // Release: the member's use of the tenant comes before the end of the tenant.
  const auto before = MemberWord::from(place.word.fetch_sub(1, std::memory_order_seq_cst));
  if (before.members == 1) push_departed(place);
}

void rebuild_places() {
  memset(heads, 0, sizeof heads);
  first_free = 0;
  for (uint32_t i = used.load(std::memory_order_relaxed); i != 0; --i) {
    Place& place = place_at(i);
    if (place.is_used) {
      chain(place);
    } else {
      place.next = first_free;
      first_free = i;
    }
  }
}

void begin_recount() {
  departed.store(0, std::memory_order_relaxed);
  taken = 0;
  for (uint32_t i = 1; i <= used.load(std::memory_order_relaxed); ++i) {
    if (place_at(i).recounted != 0) place_at(i).recounted = 0;
  }
}

void count_member(Reference reference) {
  if (reference == Reference::kNone || reference == Reference::kNobody) return;
  const auto generation = static_cast<uint32_t>(static_cast<uint64_t>(reference) >> 32);
  Place& place = place_of(reference);
  if (place.is_used &&
      MemberWord::from(place.word.load(std::memory_order_relaxed)).generation == generation)
    ++place.recounted;
}

void finish_recount() {
  for (uint32_t i = 1; i <= used.load(std::memory_order_relaxed); ++i) {
    Place& place = place_at(i);
    if (place.is_listed.load(std::memory_order_relaxed) != 0)
      place.is_listed.store(0, std::memory_order_relaxed);
    if (!place.is_used) continue;
    const auto word = MemberWord::from(place.word.load(std::memory_order_relaxed));
    if (word.members != place.recounted)
      place.word.store(MemberWord{place.recounted, word.generation}.word(),
                       std::memory_order_relaxed);
    if (place.recounted == 0) push_departed(place);
  }
}

}  // namespace tenure::rules
