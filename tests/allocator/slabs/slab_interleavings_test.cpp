// Every interleaving of a few threads over one slab and its place on the partial list, with the real transitions of
// allocator/slabs/slab_state.h and the steps of allocator/slabs/slab.cpp between them.
#include <string>
#include <unordered_set>
#include <vector>

#include <gtest/gtest.h>

#include "tests/allocator/slabs/slab_model.h"

namespace tenure {
namespace {

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

  void step(const World& world, size_t id) {
    if (world.threads[id].pc == Pc::kConstruct) return construct(world, id);
    if (world.threads[id].pc == Pc::kPierce) return pierce(world, id);
    if (world.threads[id].pc == Pc::kFill) return fill(world, id);
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
    if (model_.collected && world.recycled == 0) {
      World next = world;
      begin(next.threads[id], Pc::kCollectLoad);
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

  // Any of the objects become holes; those that are holes already stay such.
  void pierce(const World& world, size_t id) {
    const uint8_t others = static_cast<uint8_t>(world.threads[id].giving & ~world.purged);
    for (uint8_t part = others;; part = static_cast<uint8_t>((part - 1) & others)) {
      World next = world;
      Thread& self = next.threads[id];
      next.purged |= part;
      self.holes = next.purged;
      self.giving &= static_cast<uint8_t>(~self.holes);
      self.pc = Pc::kReturnLoad;
      visit(next);
      if (part == 0) return;
    }
  }

  // Any of the holes, and one at least, become the thread's; the others go back.
  void fill(const World& world, size_t id) {
    const uint8_t holes = world.purged;
    for (uint8_t part = holes; part != 0; part = static_cast<uint8_t>((part - 1) & holes)) {
      World next = world;
      Thread& self = next.threads[id];
      next.purged = self.holes = static_cast<uint8_t>(holes & ~part);
      self.placed = self.after.listed();
      self.pc = Pc::kReturnLoad;
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
    thread.giving = thread.good = thread.placed = thread.holes = 0;
  }

  void advance(World& world, Thread& self) {
    switch (self.pc) {
    case Pc::kIdle:
      return;
    case Pc::kTakeLoad:
    case Pc::kGiveLoad:
    case Pc::kUncarveLoad:
    case Pc::kReturnLoad:
      expect(world.recycled == 0, "a recycled descriptor was read");
      self.seen = world.slab;
      self.pc = self.pc == Pc::kTakeLoad     ? Pc::kTakeExchange
                : self.pc == Pc::kGiveLoad   ? Pc::kGiveExchange
                : self.pc == Pc::kReturnLoad ? Pc::kReturnExchange
                                             : Pc::kUncarveExchange;
      return;
    case Pc::kConstruct:
    case Pc::kPierce:
    case Pc::kFill:
      return;
    case Pc::kCollectLoad:  // A descriptor that was recycled says dead until another slab has it.
      self.seen = world.slab;
      self.pc = Pc::kCollectExchange;
      return;
    case Pc::kCollectExchange:
      return collect_exchange(world, self);
    case Pc::kCollectWalk:
      take_list(world, self);
      self.giving = static_cast<uint8_t>(self.giving | world.purged);
      self.pc = Pc::kPierce;
      return;
    case Pc::kReturnExchange:
      return return_exchange(world, self);
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
    const auto next = take(self.seen, model_.carve_step, model_.capacity);
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
    if (self.before.holes() != 0 && self.before.chained() == 0) {
      hand_out_holes(world, self);
      self.pc = Pc::kFill;
      return;
    }
    if (self.before.carved == self.after.carved && self.before.free == 0) return finish(self);
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
    if (self.before.carved == self.after.carved) take_list(world, self);
    finish(self);
  }

  void take_list(const World& world, Thread& self) {
    uint8_t at = static_cast<uint8_t>(self.before.head);
    for (uint16_t i = 0; i < self.before.chained(); ++i) {
      if (at == 0) return fail("a free list ended early");
      expect((world.purged & bit(at - 1)) == 0, "a hole is on the free list");
      hand_out(world, self, at - 1);
      if (self.pc == Pc::kCollectWalk) self.giving |= bit(at - 1);
      at = world.link[at - 1u];
    }
    expect(at == 0, "a free list is too long");
  }

  void hand_out_holes(const World& world, Thread& self) {
    for (int i = 0; i < model_.capacity; ++i) {
      if (world.purged & bit(i)) hand_out(world, self, i);
    }
  }

  void collect_exchange(World& world, Thread& self) {
    const auto next = collect(self.seen);
    if (!next) return finish(self);
    expect(world.recycled == 0 || !(world.slab == self.seen), "a recycled descriptor was changed");
    if (!(world.slab == self.seen)) {
      self.seen = world.slab;
      return;
    }
    self.before = self.seen;
    self.after = world.slab = *next;
    if (self.before.holes() != 0) hand_out_holes(world, self);
    self.pc = Pc::kCollectWalk;
  }

  // The objects that a thread gives back, as a list in front of the slab's. The links are written for each attempt.
  struct Given {
    uint16_t head, count;
  };
  Given write_links(World& world, const Thread& self) const {
    uint8_t rest = static_cast<uint8_t>(self.seen.head);
    uint16_t count = 0;
    for (int i = 0; i < model_.capacity; ++i) {
      if (!(self.giving & bit(i))) continue;
      world.link[static_cast<size_t>(i)] = rest;
      rest = static_cast<uint8_t>(i + 1);
      ++count;
    }
    return {static_cast<uint16_t>(rest - 1), count};
  }
  // Whether a compare-and-swap of the state succeeds.
  static bool is_unchanged(const World& world, Thread& self) {
    if (!(world.slab == self.seen)) {
      self.seen = world.slab;
      return false;
    }
    self.before = self.seen;
    return true;
  }

  // The rest of a collection or a filling. Holes and objects go back together.
  void return_exchange(World& world, Thread& self) {
    expect(world.recycled == 0, "a recycled descriptor was changed");
    const Given given = write_links(world, self);
    if (!is_unchanged(world, self)) return;
    const auto holes = static_cast<uint16_t>(__builtin_popcount(self.holes));
    const bool any = given.count + holes != 0;
    self.after = world.slab = any ? give_back_with_holes(self.seen, given.head, given.count, holes)
                                  : give_map_back(self.seen);
    self.held &= static_cast<uint8_t>(~(self.giving | self.holes));
    self.pc = self.after.dead() ? Pc::kGiveReleaseRun : Pc::kGiveList;
    if (!self.after.dead() && (self.before.listed() || !any) && !self.placed) finish(self);
  }

  void hand_out(const World& world, Thread& self, int object) {
    for (const Thread& thread : world.threads)
      expect((thread.held & bit(object)) == 0, "an object was handed out twice");
    self.held |= bit(object);
  }

  void give_exchange(World& world, Thread& self) {
    expect(world.recycled == 0, "a recycled descriptor was changed");
    const Given given = write_links(world, self);
    if (!is_unchanged(world, self)) return;
    self.after = world.slab = give_back(self.seen, given.head, given.count);
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
    for (uint16_t i = 0; i < world.slab.chained(); ++i) {
      if (at == 0) return fail("a free list ended early");
      expect((owners & bit(at - 1)) == 0, "a free object is held");
      owners |= bit(at - 1);
      at = world.link[at - 1u];
    }
    expect(!world.slab.map_taken(), "the map was lost");
    expect(world.slab.holes() == __builtin_popcount(world.purged), "the map has other holes");
    expect((owners & world.purged) == 0, "a hole is held, or on the free list");
    owners |= world.purged;
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
}

INSTANTIATE_TEST_SUITE_P(All, SlabInterleavings, testing::ValuesIn(kModels),
                         [](const auto& given) { return name_of(given.param); });

}  // namespace
}  // namespace tenure
