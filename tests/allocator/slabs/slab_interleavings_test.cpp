// Every interleaving of a few threads over one slab and its place on the partial list, with the real transitions of
// allocator/slabs/slab_state.h and the steps of allocator/slabs/slab.cpp between them.
#include <array>
#include <cstring>
#include <string>
#include <unordered_set>
#include <vector>

#include <gtest/gtest.h>

#include "allocator/slabs/slab_state.h"

namespace tenure {
namespace {

constexpr int kMostObjects = 4, kMostThreads = 3;

// Where a thread stands. Each step touches shared memory at most once.
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
};

struct Thread {
  Pc pc = Pc::kIdle;
  uint8_t actions = 0;  // Left to begin.
  uint8_t giving = 0;   // Bits of objects on their way back; also in `held`.
  uint8_t held = 0;     // Bits of objects that are this thread's.
  uint8_t good = 0;     // Objects before the one whose constructor throws.
  uint8_t placed = 0;   // It still holds the place.
  SlabState seen{};
  SlabState before{}, after{};  // Of its successful exchange.
};

struct World {
  SlabState slab{};
  uint8_t places = 0;                        // How often the slab is on the list.
  uint8_t recycled = 0;                      // How often its descriptor was
  uint8_t released = 0;                      // and its memory.
  uint8_t unused = 0;                        // Where padding would be.
  std::array<uint8_t, kMostObjects> link{};  // Index + 1 of the next free object.
  std::array<Thread, kMostThreads> threads{};
};
static_assert(std::has_unique_object_representations_v<World>, "states are compared as bytes");

struct Model {
  uint16_t capacity;
  uint16_t carve_step;
  int thread_count;
  uint8_t actions;
  bool throwing = false;  // Objects have constructors, any of which may throw.
};

void PrintTo(const Model& m, std::ostream* out) {
  *out << m.capacity << " objects, " << m.carve_step << " carved at once, " << m.thread_count
       << " threads" << (m.throwing ? ", throwing" : "");
}

class Checker {
public:
  explicit Checker(const Model& model) : model_(model) {}

  // Explores everything from each way a slab may begin; returns what went wrong, or "".
  std::string run() {
    for (uint16_t count = 1; count <= model_.capacity && wrong_.empty(); ++count) {
      World world;
      const bool more = count < model_.capacity;
      world.slab = {0, 0, count, more ? SlabState::kListed : uint16_t{0}};
      world.places = more;
      for (int i = 0; i < count; ++i)
        world.threads[static_cast<size_t>(i % model_.thread_count)].held |= bit(i);
      for (int i = 0; i < model_.thread_count; ++i)
        world.threads[static_cast<size_t>(i)].actions = model_.actions;
      visit(world);
      explore();
    }
    return wrong_;
  }
  size_t states() const { return known_.size(); }
  size_t deaths() const { return deaths_; }

private:
  static uint8_t bit(int i) { return static_cast<uint8_t>(1u << i); }

  void visit(const World& world) {
    std::string bytes(reinterpret_cast<const char*>(&world), sizeof world);
    if (known_.insert(std::move(bytes)).second) open_.push_back(world);
  }

  void explore() {
    while (!open_.empty() && wrong_.empty()) {
      const World world = open_.back();
      open_.pop_back();
      bool idle = true;
      for (int i = 0; i < model_.thread_count; ++i) {
        idle = idle && world.threads[static_cast<size_t>(i)].pc == Pc::kIdle;
        step(world, static_cast<size_t>(i));
      }
      if (idle) check_rest(world);
    }
  }

  void fail(const char* what) {
    if (wrong_.empty()) wrong_ = what;
  }
  void expect(bool condition, const char* what) {
    if (!condition) fail(what);
  }

  // All a thread can do next.
  void step(const World& world, size_t id) {
    if (world.threads[id].pc == Pc::kConstruct) return construct(world, id);
    if (world.threads[id].pc != Pc::kIdle) {
      World next = world;
      advance(next, next.threads[id]);
      visit(next);
      return;
    }
    if (world.threads[id].actions == 0) return;
    if (world.places > 0) {  // Pops the slab's place off the list.
      World next = world;
      --next.places;
      begin(next.threads[id], Pc::kTakeLoad);
      visit(next);
    }
    // Gives back any part of what it holds.
    const uint8_t held = world.threads[id].held;
    for (uint8_t part = held; part != 0; part = static_cast<uint8_t>((part - 1) & held)) {
      World next = world;
      next.threads[id].giving = part;
      begin(next.threads[id], Pc::kGiveLoad);
      visit(next);
    }
  }

  // All are constructed, or those before any one.
  void construct(const World& world, size_t id) {
    const Thread& self = world.threads[id];
    const int count = self.after.carved - self.before.carved;
    for (int good = 0; good <= count; ++good) {
      World next = world;
      Thread& after = next.threads[id];
      after.good = static_cast<uint8_t>(good);
      after.placed = self.after.listed();
      after.pc = good < count ? Pc::kUncarveLoad : after.placed ? Pc::kTakeRelist : Pc::kTakeWalk;
      visit(next);
    }
  }

  static void begin(Thread& thread, Pc pc) {
    --thread.actions;
    thread.pc = pc;
  }

  void finish(Thread& thread) {
    thread.pc = Pc::kIdle;
    thread.seen = thread.before = thread.after = {};
    thread.giving = thread.good = thread.placed = 0;
  }

  void advance(World& world, Thread& self) {
    switch (self.pc) {
    case Pc::kIdle:
      return;
    case Pc::kTakeLoad:
    case Pc::kGiveLoad:
    case Pc::kUncarveLoad:
      expect(world.recycled == 0, "a recycled descriptor was read");
      self.seen = world.slab;
      self.pc = self.pc == Pc::kTakeLoad   ? Pc::kTakeExchange
                : self.pc == Pc::kGiveLoad ? Pc::kGiveExchange
                                           : Pc::kUncarveExchange;
      return;
    case Pc::kConstruct:
      return;
    case Pc::kUncarveExchange:
      return uncarve_exchange(world, self);
    case Pc::kTakeExchange:
      return take_exchange(world, self);
    case Pc::kTakeWalk:
      return take_walk(world, self);
    case Pc::kTakeRelist:
      ++world.places;
      expect(world.places == 1, "the slab is on the list twice");
      self.pc = Pc::kTakeWalk;
      return;
    case Pc::kTakeRecycle:
    case Pc::kGiveRecycle:
      ++world.recycled;
      expect(world.recycled == 1, "the descriptor was recycled twice");
      expect(world.places == 0, "a recycled descriptor is on the list");
      return finish(self);
    case Pc::kGiveExchange:
      return give_exchange(world, self);
    case Pc::kGiveReleaseRun:
      ++world.released;
      ++deaths_;
      expect(world.released == 1, "the slab died twice");
      for (const Thread& thread : world.threads)
        expect(thread.held == 0, "an object of a dead slab is held");
      if (self.before.listed() && !self.placed) return finish(self);
      self.pc = Pc::kGiveRecycle;
      return;
    case Pc::kGiveList:
      ++world.places;
      expect(world.places == 1, "the slab is on the list twice");
      return finish(self);
    }
  }

  void take_exchange(World& world, Thread& self) {
    auto next = take_all(self.seen, model_.capacity);
    if (!next) next = carve(self.seen, model_.carve_step, model_.capacity);
    if (!next) {
      self.pc = Pc::kTakeRecycle;
      return;
    }
    expect(world.recycled == 0, "a recycled descriptor was changed");
    if (!(world.slab == self.seen)) {
      self.seen = world.slab;
      return;
    }
    self.before = self.seen;
    self.after = world.slab = *next;
    // Ownership changes hands here, though the links are read later.
    for (uint16_t i = self.before.carved; i < self.after.carved; ++i) hand_out(world, self, i);
    const bool constructs = model_.throwing && self.before.carved != self.after.carved;
    self.pc = constructs ? Pc::kConstruct : self.after.listed() ? Pc::kTakeRelist : Pc::kTakeWalk;
  }

  // What was carved and not constructed is given up.
  void uncarve_exchange(World& world, Thread& self) {
    expect(world.recycled == 0, "a recycled descriptor was changed");
    const int count = self.after.carved - self.before.carved;
    const auto carved = static_cast<uint16_t>(self.before.carved + self.good);
    const SlabState next = uncarve(self.seen, carved);
    if (!(world.slab == self.seen)) {
      self.seen = world.slab;
      return;
    }
    expect(self.seen.carved == carved + count - self.good, "others have carved beyond");
    for (uint16_t i = carved; i < self.seen.carved; ++i) self.held &= static_cast<uint8_t>(~bit(i));
    self.before = self.seen;
    self.after = world.slab = next;
    self.pc = next.dead() ? Pc::kGiveReleaseRun : Pc::kGiveList;
    if (!next.dead() && self.before.listed() && !self.placed) finish(self);
  }

  void take_walk(World& world, Thread& self) {
    if (self.before.carved == self.after.carved) {
      uint8_t at = static_cast<uint8_t>(self.before.head);
      for (uint16_t i = 0; i < self.before.free; ++i) {
        if (at == 0) return fail("a free list ended early");
        hand_out(world, self, at - 1);
        at = world.link[at - 1u];
      }
      expect(at == 0, "a free list is too long");
    }
    finish(self);
  }

  void hand_out(const World& world, Thread& self, int object) {
    for (const Thread& thread : world.threads)
      expect((thread.held & bit(object)) == 0, "an object was handed out twice");
    self.held |= bit(object);
  }

  void give_exchange(World& world, Thread& self) {
    expect(world.recycled == 0, "a recycled descriptor was changed");
    // The links are written for each attempt.
    uint8_t rest = static_cast<uint8_t>(self.seen.head);
    uint16_t count = 0;
    for (int i = 0; i < model_.capacity; ++i) {
      if (!(self.giving & bit(i))) continue;
      world.link[static_cast<size_t>(i)] = rest;
      rest = static_cast<uint8_t>(i + 1);
      ++count;
    }
    if (!(world.slab == self.seen)) {
      self.seen = world.slab;
      return;
    }
    self.before = self.seen;
    self.after = world.slab = give_back(self.seen, static_cast<uint16_t>(rest - 1), count);
    self.held &= static_cast<uint8_t>(~self.giving);
    self.pc = self.after.dead() ? Pc::kGiveReleaseRun : Pc::kGiveList;
    if (!self.after.dead() && self.before.listed()) finish(self);
  }

  // Nobody is in the middle of anything.
  void check_rest(const World& world) {
    unsigned owners = 0, held = 0;
    for (const Thread& thread : world.threads) {
      owners |= thread.held;
      held += static_cast<unsigned>(__builtin_popcount(thread.held));
    }
    if (world.slab.dead()) {
      expect(world.released == 1, "a dead slab kept its memory");
      expect(held == 0, "an object of a dead slab is held");
      expect(world.recycled + world.places == 1, "the descriptor of a dead slab is lost");
      return;
    }
    expect(world.released == 0 && world.recycled == 0, "a living slab was released");
    expect(world.places == (world.slab.listed() ? 1 : 0), "the list and the flag disagree");
    uint8_t at = static_cast<uint8_t>(world.slab.head);
    for (uint16_t i = 0; i < world.slab.free; ++i) {
      if (at == 0) return fail("a free list ended early");
      expect((owners & bit(at - 1)) == 0, "a free object is held");
      owners |= bit(at - 1);
      at = world.link[at - 1u];
    }
    expect(held + world.slab.free == world.slab.carved, "an object was lost");
    expect(owners == (1u << world.slab.carved) - 1, "an object was lost");
  }

  const Model model_;
  std::unordered_set<std::string> known_;
  std::vector<World> open_;
  std::string wrong_;
  size_t deaths_ = 0;
};

class SlabInterleavings : public testing::TestWithParam<Model> {};

TEST_P(SlabInterleavings, SlabDiesOnceAndObjectsHaveOneOwner) {
  Checker checker(GetParam());
  EXPECT_EQ(checker.run(), "");
  EXPECT_GT(checker.deaths(), 0u);
  RecordProperty("states", static_cast<int>(checker.states()));
}

INSTANTIATE_TEST_SUITE_P(All, SlabInterleavings,
                         testing::Values(Model{1, 1, 2, 3}, Model{2, 1, 2, 5}, Model{2, 1, 3, 3},
                                         Model{3, 1, 2, 4}, Model{3, 2, 2, 4}, Model{3, 3, 3, 2},
                                         Model{4, 2, 2, 3}, Model{2, 1, 2, 4, true},
                                         Model{2, 1, 3, 3, true}, Model{3, 2, 2, 4, true},
                                         Model{3, 2, 3, 2, true}, Model{4, 3, 2, 3, true}),
                         [](const auto& given) {
                           const Model& m = given.param;
                           return "Objects" + std::to_string(m.capacity) + "Carve" +
                                  std::to_string(m.carve_step) + "Threads" +
                                  std::to_string(m.thread_count) + "Actions" +
                                  std::to_string(m.actions) + (m.throwing ? "Throwing" : "");
                         });

}  // namespace
}  // namespace tenure
