// Several NUMA nodes: which list an item goes to, and what walks make of several.
#include <errno.h>

#include <algorithm>
#include <numeric>

#include "tests/accounting/shrinkers/lru_fixture.h"

namespace tenure {
namespace {

constexpr uint32_t kNodes = 3;
constinit uint32_t node_now = 0;

class LruNodesTest : public LruFixture {
protected:
  LruNodesTest() : LruFixture({kNodes, [] { return node_now; }}) { node_now = 0; }

  void add_on(uint32_t node, Tenant& tenant, int from, int to) {
    node_now = node;
    add_range(tenant, from, to);
  }
  std::vector<size_t> counts(Tenant& tenant) {
    std::vector<size_t> result;
    for (uint32_t node = 0; node < kNodes; ++node)
      result.push_back(lru_count_node(*lru, tenant, node));
    return result;
  }
  Values values_on(uint32_t node, Tenant& tenant) {
    Values result;
    walk_node(*lru, tenant, node, collector(result));
    return result;
  }

  using Counts = std::vector<size_t>;
};

TEST_F(LruNodesTest, AnItemStaysOnTheNodeOfWhoAddedIt) {
  Tenant& a = make(root_tenant, "a");
  add_on(0, a, 0, 2);
  add_on(2, a, 20, 23);
  EXPECT_EQ(counts(a), (Counts{2, 0, 3}));
  EXPECT_EQ(count(a), 5u);
  node_now = 1;
  EXPECT_EQ(lru_touch(objects[0]->item), 1);
  EXPECT_EQ(lru_touch(objects[2]->item), 1);
  EXPECT_EQ(values_on(0, a), (Values{1, 0}));
  EXPECT_EQ(values_on(1, a), Values{});
  EXPECT_EQ(values_on(2, a), (Values{21, 22, 20}));
  EXPECT_EQ(lru_remove(objects[4]->item), 1);
  EXPECT_EQ(counts(a), (Counts{2, 0, 2}));
  // The same for the root; and nodes that came after the LRU share the lists.
  add_on(kNodes + 1, root_tenant, 0, 4);
  EXPECT_EQ(counts(root_tenant), (Counts{0, 4, 0}));
  empty(a);
  empty(root_tenant);
}

TEST_F(LruNodesTest, NodesThatAreNotThereHaveNoItems) {
  add_on(0, root_tenant, 0, 2);
  EXPECT_EQ(lru_count_node(*lru, root_tenant, kNodes), 0u);
  EXPECT_EQ(lru_count_node(*lru, root_tenant, UINT32_MAX), 0u);
  EXPECT_EQ(walk_node(*lru, root_tenant, kNodes, [](Object&) { return LruVerdict::kRemoved; }), 0u);
  EXPECT_EQ(count(root_tenant), 2u);
  empty(root_tenant);
}

TEST_F(LruNodesTest, ListsAreMadeWhereThereAreItems) {
  Tenant& a = make(root_tenant, "a");
  const size_t before = lru_bytes(*lru);
  add_on(0, a, 0, 10);
  const size_t one = lru_bytes(*lru) - before;
  add_on(2, a, 0, 1);
  EXPECT_EQ(lru_bytes(*lru) - before, 2 * one);
  empty(a);
}

TEST_F(LruNodesTest, AWalkOfAllShowsEachOnce) {
  Tenant& a = make(root_tenant, "a");
  for (uint32_t node = 0; node < kNodes; ++node) {
    add_on(node, a, static_cast<int>(node) * 10, static_cast<int>(node) * 10 + 10);
  }
  for (uint32_t first = 0; first < kNodes; ++first) {
    Values shown = values(a);
    std::sort(shown.begin(), shown.end());
    Values all(10 * kNodes);
    std::iota(all.begin(), all.end(), 0);
    EXPECT_EQ(shown, all);
  }
  // Also where all go to the warm end, and where each is asked for while it is shown.
  size_t calls = 0;
  walk(*lru, a, [&calls](Object&) {
    ++calls;
    return LruVerdict::kRotate;
  });
  EXPECT_EQ(calls, 10u * kNodes);
  empty(a);
}

TEST_F(LruNodesTest, EachNodeGivesItsShare) {
  Tenant& a = make(root_tenant, "a");
  add_on(0, a, 0, 60);
  add_on(1, a, 0, 30);
  add_on(2, a, 0, 10);
  for (size_t left = 90; left != 0; left -= 10) {  // Begins at each node three times.
    EXPECT_EQ(empty(a, 10), 10u);
    EXPECT_EQ(count(a), left);
    const Counts now = counts(a);
    EXPECT_NEAR(static_cast<double>(now[0]), 0.6 * static_cast<double>(left), 2);
    EXPECT_NEAR(static_cast<double>(now[1]), 0.3 * static_cast<double>(left), 2);
    EXPECT_NEAR(static_cast<double>(now[2]), 0.1 * static_cast<double>(left), 2);
  }
  EXPECT_EQ(empty(a, 100), 10u);
  EXPECT_EQ(count(a), 0u);
}

TEST_F(LruNodesTest, WalksOfOneTakeFromOneNodeAfterTheOther) {
  Tenant& a = make(root_tenant, "a");
  for (uint32_t node = 0; node < kNodes; ++node) add_on(node, a, 0, 10);
  for (size_t i = 0; i < 2 * kNodes; ++i) EXPECT_EQ(empty(a, 1), 1u);
  EXPECT_EQ(counts(a), (Counts{8, 8, 8}));
  empty(a);
}

TEST_F(LruNodesTest, AStopIsForAllNodes) {
  Tenant& a = make(root_tenant, "a");
  for (uint32_t node = 0; node < kNodes; ++node) add_on(node, a, 0, 10);
  int calls = 0;
  EXPECT_EQ(walk(*lru, a,
                 [&calls](Object& object) {
                   if (++calls == 12) return LruVerdict::kStop;
                   EXPECT_EQ(lru_isolate(object.item), 0);
                   return LruVerdict::kRemoved;
                 }),
            11u);
  EXPECT_EQ(calls, 12);
  EXPECT_EQ(count(a), 19u);
  empty(a);
}

// The parent has a list of its own on one node, none on another.
TEST_F(LruNodesTest, OfflineKeepsTheNodes) {
  Tenant& a = make(root_tenant, "a");
  Tenant& b = make(a, "b");
  add_on(1, a, 100, 102);
  add_on(0, b, 0, 2);
  add_on(1, b, 10, 13);
  EXPECT_EQ(offline_tenant(b, 0), 0);
  EXPECT_EQ(counts(a), (Counts{2, 5, 0}));
  EXPECT_EQ(values_on(0, a), (Values{0, 1}));
  EXPECT_EQ(values_on(1, a), (Values{100, 101, 10, 11, 12}));
  EXPECT_TRUE(validate_lru(*lru));
  add_on(2, b, 20, 21);
  EXPECT_EQ(counts(a), (Counts{2, 5, 1}));
  EXPECT_EQ(offline_tenant(a, 0), 0);
  EXPECT_EQ(counts(root_tenant), (Counts{2, 5, 1}));
  flush_tenants();
  EXPECT_EQ(lru_touch(objects[0]->item), 1);
  EXPECT_EQ(values_on(1, root_tenant), (Values{101, 10, 11, 12, 100}));
  EXPECT_EQ(Lru::destroy(lru), -EBUSY);
  empty(root_tenant);
}

// Offline between one node's items and the next's: the walk goes on at the parent's lists, and no further than it was to go.
TEST_F(LruNodesTest, OfflineInTheMiddleOfAWalk) {
  Tenant& a = make(root_tenant, "a");
  Tenant& b = make(a, "b");
  for (uint32_t node = 0; node < kNodes; ++node) add_on(node, b, 0, 4);
  int calls = 0;
  walk(*lru, b, [&](Object&) {
    if (++calls == 2) EXPECT_EQ(offline_tenant(b, 0), 0);
    return LruVerdict::kSkip;
  });
  EXPECT_EQ(calls, 12);
  EXPECT_EQ(counts(a), (Counts{4, 4, 4}));
  empty(a);
}

}  // namespace
}  // namespace tenure
