#include "live/slots.h"

#include <new>

#include "base/memory/os_memory.h"
#include "base/system/clock.h"
#include "base/system/fence.h"
#include "base/words/atomic_update.h"
#include "base/words/bits.h"
#include "base/words/tagged_stack.h"
#include "live/region.h"

namespace tenure::live {
namespace {

// This process's own data of a slot. The process never reads these values from the region, because other processes may write there.
struct Entry {
  std::atomic<uint64_t> next;  // Link of the stack of free slots.
  // Even: as in the slot. Odd: no tenant is in the slot. Written by the thread that takes or releases the slot; read by all threads,
  // relaxed.
  std::atomic<uint32_t> generation;
  std::atomic<uint32_t> id;  // The tenant's.
  // The kinds of events that were shown of the tenant, and the tick of event_ring's clock. Relaxed.
  std::atomic<uint32_t> shown_events;
};

constexpr unsigned kKindBits = 8;
constexpr uint32_t kKindMask = (1u << kKindBits) - 1;

// A node is the entry's number, plus one.
struct Links {
  static uint64_t load(uint64_t node);
  static void store(uint64_t node, uint64_t next);
};

constinit os::GrowingRange entries;
constinit TaggedStack<Links> unused;
constinit std::atomic<uint32_t> next_slot{0};  // Written under tenants_mutex.

Entry& entry(uint32_t slot) { return reinterpret_cast<Entry*>(entries.base())[slot]; }

uint64_t Links::load(uint64_t node) {
  return entry(static_cast<uint32_t>(node - 1)).next.load(std::memory_order_relaxed);
}
void Links::store(uint64_t node, uint64_t next) {
  entry(static_cast<uint32_t>(node - 1)).next.store(next, std::memory_order_relaxed);
}

// A number of 32 bits that other processes read.
template <typename T>
void show(uint32_t& field, T value, std::memory_order order = std::memory_order_relaxed) {
  std::atomic_ref(field).store(static_cast<uint32_t>(value), order);
}

// Between begin and end, readers start again.
void begin_change(TenantSlot& slot, uint32_t generation) {
  show(slot.generation, generation);
  // Orders the number before all that follows; pairs with the reader's loads.
  release_fence();
}
void end_change(TenantSlot& slot, uint32_t generation) {
  show(slot.generation, generation, std::memory_order_release);
}

void describe(TenantSlot& slot, const Identity& identity) {
  show(slot.id, identity.id);
  show(slot.parent, identity.parent);
  show(slot.depth, identity.depth);
  show(slot.flags, identity.flags);
  show(slot.name_length, identity.name_length);
  const size_t length = identity.name_length < kNameBytes ? identity.name_length : kNameBytes - 1;
  __builtin_memcpy(slot.name, identity.name, length);
  __builtin_memset(slot.name + length, 0, kNameBytes - length);
}

// A slot that was never used. It is committed before it is claimed.
uint32_t carve() {
  const uint32_t slot = next_slot.load(std::memory_order_relaxed);
  if (slot >= usable_slots() && !grow_region()) return kNoSlot;
  if (!entries.ensure((slot + size_t{1}) * sizeof(Entry))) return kNoSlot;
  entry(slot).generation.store(1, std::memory_order_relaxed);
  next_slot.store(slot + 1, std::memory_order_release);
  show(header().used_slots, slot + 1, std::memory_order_release);
  return slot;
}

}  // namespace

bool reserve_slots(uint32_t most) {
  const size_t bytes = round_up(size_t{most} * sizeof(Entry), kPageSize);
  void* const p = os::reserve(bytes, kPageSize);
  if (p == nullptr) return false;
  entries.adopt(p, bytes, 16 * kKiB);
  return true;
}

uint32_t take_slot(const Identity& identity) {
  if (!is_open()) return kNoSlot;
  const auto node = static_cast<uint32_t>(unused.pop());
  const uint32_t slot = node != 0 ? node - 1 : carve();
  if (slot == kNoSlot) {
    add_flag(kIncomplete);
    return kNoSlot;
  }
  TenantSlot& shown = slot_at(slot);
  const uint32_t generation = entry(slot).generation.load(std::memory_order_relaxed);
  begin_change(shown, generation);
  __builtin_memset(&shown, 0, offsetof(TenantSlot, generation));
  __builtin_memset(&shown.state, 0, sizeof shown - offsetof(TenantSlot, state));
  new (&shown) CounterRecord;
  describe(shown, identity);
  std::atomic_ref(shown.created_us).store(monotonic_us(), std::memory_order_relaxed);
  entry(slot).shown_events.store(0, std::memory_order_relaxed);
  entry(slot).id.store(identity.id, std::memory_order_relaxed);
  entry(slot).generation.store(generation + 1, std::memory_order_relaxed);
  end_change(shown, generation + 1);
  return slot;
}

void release_slot(uint32_t slot) {
  if (!is_open()) return;
  const uint32_t generation = entry(slot).generation.load(std::memory_order_relaxed) + 1;
  entry(slot).generation.store(generation, std::memory_order_relaxed);
  begin_change(slot_at(slot), generation);
  set_slot_state(slot, SlotState::kFree);
  // Release, by the stack: pairs with the pop of the thread that takes the slot.
  unused.push(slot + uint64_t{1});
}

void set_slot_state(uint32_t slot, SlotState state) {
  TenantSlot& shown = slot_at(slot);
  if (state == SlotState::kDying)
    std::atomic_ref(shown.ended_us).store(monotonic_us(), std::memory_order_relaxed);
  show(shown.state, state, std::memory_order_release);
}

CounterRecord& record_in(uint32_t slot) {
  return *reinterpret_cast<CounterRecord*>(&slot_at(slot));
}

uint32_t slot_of(const CounterRecord* record) {
  if (record == nullptr || !is_open()) return kNoSlot;
  const auto* const slot = reinterpret_cast<const TenantSlot*>(record);
  return static_cast<uint32_t>(slot - &slot_at(0));
}

uint32_t used_slots() { return next_slot.load(std::memory_order_acquire); }

uint32_t generation_of(uint32_t slot) {
  const uint32_t generation = entry(slot).generation.load(std::memory_order_relaxed);
  return generation % 2 == 0 ? generation : 0;
}

uint32_t tenant_id_in(uint32_t slot) { return entry(slot).id.load(std::memory_order_relaxed); }

bool is_first_in_tick(uint32_t slot, uint32_t tick, uint32_t kind) {
  const auto shown = [tick, kind](uint32_t word) -> std::optional<uint32_t> {
    const uint32_t now = tick << kKindBits;
    const uint32_t kinds = (word & ~kKindMask) == now ? word & kKindMask : 0;
    if ((kinds & 1u << kind) != 0) return std::nullopt;
    return now | kinds | 1u << kind;
  };
  return atomic_update(entry(slot).shown_events, shown).has_value();
}

void free_all_slots() {
  const uint32_t end = used_slots();
  show(header().used_slots, end);
  for (uint32_t slot = 0; slot < end; ++slot) set_slot_state(slot, SlotState::kFree);
}

bool restore_slot(uint32_t slot, const Identity& identity) {
  TenantSlot& shown = slot_at(slot);
  const uint32_t generation = generation_of(slot);
  const bool same = shown.generation == generation;
  begin_change(shown, generation + 1);
  if (!same) new (&shown) CounterRecord;
  describe(shown, identity);
  set_slot_state(slot, SlotState::kOnline);
  end_change(shown, generation);
  return same;
}

}  // namespace tenure::live
