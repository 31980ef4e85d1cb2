// An LRU whose objects have a number each.
#pragma once

#include <functional>
#include <memory>
#include <ostream>

#include "accounting/shrinkers/lru.h"
#include "tests/accounting/tree_fixture.h"

namespace tenure {

inline void PrintTo(const LruNodes& nodes, std::ostream* out) { *out << nodes.count << " nodes"; }

struct Object {
  LruItem item;
  int value = 0;
};
inline Object& object_of(LruItem* item) { return *reinterpret_cast<Object*>(item); }

using Shown = std::function<LruVerdict(Object&)>;

inline LruVerdict show(LruItem* item, void* shown) {
  return (*static_cast<const Shown*>(shown))(object_of(item));
}

inline size_t walk(Lru& lru, Tenant& tenant, const Shown& shown, size_t most = SIZE_MAX) {
  return lru_walk(lru, tenant, show, const_cast<Shown*>(&shown), most);
}
inline size_t walk_node(Lru& lru, Tenant& tenant, uint32_t node, const Shown& shown) {
  return lru_walk_node(lru, tenant, node, show, const_cast<Shown*>(&shown), SIZE_MAX);
}

class LruFixture : public TreeTest {
protected:
  explicit LruFixture(LruNodes nodes) : nodes_(nodes) {}

  void SetUp() override {
    TreeTest::SetUp();
    OfflineHooks hooks;
    hooks.drain_lrus = drain_lrus;
    register_offline_hooks(hooks);
    lru = Lru::create(nodes_);
    ASSERT_NE(lru, nullptr);
  }
  void TearDown() override {
    EXPECT_TRUE(validate_lru(*lru));
    EXPECT_EQ(Lru::destroy(lru), 0);
    TreeTest::TearDown();
  }

  Object& add(Tenant& tenant, int value) {
    objects.push_back(std::make_unique<Object>());
    Object& object = *objects.back();
    object.value = value;
    EXPECT_EQ(lru_add(*lru, tenant, object.item), 0);
    return object;
  }
  void add_range(Tenant& tenant, int from, int to) {
    for (int i = from; i < to; ++i) add(tenant, i);
  }
  std::vector<int> values(Tenant& tenant) {
    std::vector<int> result;
    walk(*lru, tenant, collector(result));
    return result;
  }
  // Takes off what a walk shows.
  size_t empty(Tenant& tenant, size_t most = SIZE_MAX) {
    return walk(
        *lru, tenant,
        [](Object& object) {
          EXPECT_EQ(lru_isolate(object.item), 0);
          return LruVerdict::kRemoved;
        },
        most);
  }
  static Shown collector(std::vector<int>& result) {
    return [&result](Object& object) {
      result.push_back(object.value);
      return LruVerdict::kSkip;
    };
  }
  size_t count(Tenant& tenant) { return lru_count(*lru, tenant); }

  using Values = std::vector<int>;
  Lru* lru = nullptr;
  std::vector<std::unique_ptr<Object>> objects;

private:
  const LruNodes nodes_;
};

}  // namespace tenure
