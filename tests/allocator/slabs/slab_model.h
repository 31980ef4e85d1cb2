// The world of slab_interleavings_test: one slab, and where each thread stands.
#pragma once

#include <array>
#include <cstdint>
#include <ostream>
#include <string>
#include <type_traits>

#include "allocator/slabs/slab_state.h"

namespace tenure {

constexpr int kMostObjects = 4, kMostThreads = 3;

// The step that a thread is at. Each step touches shared memory at most once.
enum class Pc : uint8_t {
  kIdle,
  kTakeLoad,  // Holds the slab's place on the list.
  kTakeExchange,
  kTakeRecycle,  // Found it dead.
  kTakeRelist,
  kTakeWalk,   // Reads the links of what it took.
  kConstruct,  // Holds what it carved, and the place if there is one.
  kUncarveLoad,
  kUncarveExchange,
  kGiveLoad,
  kGiveExchange,
  kGiveReleaseRun,
  kGiveRecycle,
  kGiveList,
  kCollectLoad,  // Needs no place.
  kCollectExchange,
  kCollectWalk,
  kPierce,  // Has everything that was free: any of it may become holes.
  kFill,    // Has all holes: some become objects.
  kReturnLoad,
  kReturnExchange,
};

struct Thread {
  Pc pc = Pc::kIdle;
  uint8_t actions = 0;  // Left to begin.
  uint8_t giving = 0;   // Bits of objects on their way back; also in `held`.
  uint8_t held = 0;     // Bits of objects that are this thread's.
  uint8_t good = 0;     // Objects before the one whose constructor throws.
  uint8_t placed = 0;   // It still holds the place.
  uint8_t holes = 0;    // Bits of objects that go back as holes; also in `held`.
  uint8_t unused = 0;   // In the place of padding.
  SlabState seen{};
  SlabState before{}, after{};  // Of its successful exchange.
};

struct World {
  SlabState slab{};
  uint8_t places = 0;                        // How often the slab is on the list.
  uint8_t recycled = 0;                      // How often its descriptor was
  uint8_t released = 0;                      // and its memory.
  uint8_t purged = 0;                        // The map of pages: one object a page.
  std::array<uint8_t, kMostObjects> link{};  // Index + 1 of the next free object.
  std::array<Thread, kMostThreads> threads{};
};
static_assert(std::has_unique_object_representations_v<World>, "states are compared as bytes");

struct Model {
  uint16_t capacity;
  uint16_t carve_step;
  int thread_count;
  uint8_t actions;
  bool throwing = false;   // Objects have constructors, any of which may throw.
  bool collected = false;  // Threads also collect.
};

inline void PrintTo(const Model& m, std::ostream* out) {
  *out << m.capacity << " objects, " << m.carve_step << " carved at once, " << m.thread_count
       << " threads" << (m.throwing ? ", throwing" : "") << (m.collected ? ", collected" : "");
}

constexpr Model kModels[] = {{1, 1, 2, 3},
                             {2, 1, 2, 5},
                             {2, 1, 3, 3},
                             {3, 1, 2, 4},
                             {3, 2, 2, 4},
                             {3, 3, 3, 2},
                             {4, 2, 2, 3},
                             {2, 1, 2, 4, true},
                             {2, 1, 3, 3, true},
                             {3, 2, 2, 4, true},
                             {3, 2, 3, 2, true},
                             {4, 3, 2, 3, true},
                             {2, 1, 2, 3, false, true},
                             {2, 2, 3, 2, false, true},
                             {3, 2, 2, 3, false, true},
                             {4, 4, 2, 2, false, true}};

inline std::string name_of(const Model& m) {
  return "Objects" + std::to_string(m.capacity) + "Carve" + std::to_string(m.carve_step) +
         "Threads" + std::to_string(m.thread_count) + "Actions" + std::to_string(m.actions) +
         (m.throwing ? "Throwing" : "") + (m.collected ? "Collected" : "");
}

}  // namespace tenure
