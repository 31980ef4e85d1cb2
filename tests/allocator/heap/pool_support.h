// What tests of pooled objects share: tenants, and a look at who is charged for what, object by object.
#pragma once

#include <map>
#include <string>

#include "accounting/pressure/reclaim_state.h"
#include "accounting/tenants/departed_tenants.h"
#include "accounting/tenants/tenant_ids.h"
#include "accounting/tenants/tenant_tree.h"
#include "allocator/caches/reaper.h"
#include "allocator/caches/tenant_heap.h"
#include "allocator/control/control.h"
#include "allocator/fronts/charge_stock.h"
#include "allocator/fronts/depots.h"
#include "allocator/fronts/paying.h"
#include "allocator/heap/pool.h"
#include "allocator/slabs/current.h"
#include "base/memory/meta_arena.h"
#include "tests/allocator/heap_support.h"

namespace tenure {

inline const RunDescriptor& run_of(const void* object) {
  const GranuleEntry& entry = arena.page_map.at(granule_of(object));
  return arena.descriptors.at(entry.descriptor.load(std::memory_order_relaxed));
}
inline bool is_pooled(const void* object) {
  const RunDescriptor& run = run_of(object);
  return run.kind == RunKind::kSlab && run.pooled();
}

// Leaves no tenant, no charge and no byte of metadata behind.
class PoolTest : public HeapTest {
protected:
  void SetUp() override {
    HeapTest::SetUp();
    // What stays for good (the page of ids, the smallest table of names) comes into being before the count.
    static const bool warm = [] {
      std::vector<Tenant*> some(100);
      for (size_t i = 0; i < some.size(); ++i) {
        if (create_tenant(root_tenant, std::to_string(i).c_str(), &some[i]) != 0) __builtin_trap();
      }
      for (Tenant* tenant : some) {
        offline_tenant(*tenant, 0);
        tenant->unpin();
      }
      return true;
    }();
    static_cast<void>(warm);
    settle();
    before_ = metadata();
  }
  void TearDown() override {
    for (Tenant* tenant : handles) {
      if (tenant->online()) {
        EXPECT_EQ(offline_tenant(*tenant, kOfflineRecursive), 0);
      }
      tenant->unpin();
    }
    handles.clear();
    settle();
    EXPECT_EQ(tenants_online(), 0u);
    EXPECT_EQ(root_tenant.counter.usage(), 0u);
    EXPECT_EQ(metadata(), before_);
    HeapTest::TearDown();
  }

  Tenant& make(Tenant& parent, const std::string& name, uint32_t flags = 0) {
    Tenant* tenant = nullptr;
    EXPECT_EQ(create_tenant(parent, name.c_str(), flags, &tenant), 0) << name;
    handles.push_back(tenant);
    return *tenant;
  }

  // Whatever is empty goes: caches, heaps, contexts, ids.
  static void settle() {
    trim();
    reap_all();
  }

  // What tables of ids and caches keep as their longest length is not in it.
  static size_t metadata() {
    size_t bytes = meta_arena.in_use() + context_table.in_use() - tenants_by_id.bytes() -
                   reclaim_states_bytes() - departed_tenants_bytes();
    for_each_family([&bytes](CacheFamily& family) { bytes -= family.children.bytes(); });
    return bytes;
  }

  // Every context holds exactly the runs, the pooled objects and the objects of own caches that name it, and its stocks. At rest.
  static void expect_charged_by_value() {
    std::map<const AccountingContext*, uint64_t> bytes;
    for (uint32_t number = 1; number < arena.descriptors.end(); ++number) {
      const RunDescriptor& run = arena.descriptors.at(number);
      if (run.kind == RunKind::kNone) continue;
      const bool slab = run.kind == RunKind::kSlab;
      if (slab && run.state.load(std::memory_order_relaxed).dead()) continue;
      if (run.context) bytes[run.context] += size_t{run.granules} * kGranuleSize;
      if (slab && run.cache->payer) bytes[run.cache->payer] += paid_bytes(run);
      for (uint32_t i = 0; slab && run.pooled() && i < run.capacity; ++i) {
        const OwnerTag tag = run.tags[i].load(std::memory_order_relaxed);
        if (is_owned(tag)) bytes[&context_of(tag)] += run.object_size;
      }
    }
    const auto subtract = [](void* all, const Cache& cache) {
      if (cache.payer == nullptr) return;
      auto& each = *static_cast<std::map<const AccountingContext*, uint64_t>*>(all);
      each[cache.payer] -= depot_objects(cache) * cache.object_size;
      if (each[cache.payer] == 0) each.erase(cache.payer);
    };
    for_each_family([&](CacheFamily& family) {
      family.children.for_each([&](uint32_t, Cache* cache) {
        subtract(&bytes, *cache);
        return true;
      });
    });
    for_each_departed_cache(subtract, &bytes);
    for_each_context([&bytes](const AccountingContext& context) {
      EXPECT_EQ(context.held(), bytes[&context] + stocked_by(context)) << context.origin_name();
      bytes.erase(&context);
    });
    for (const auto& [context, held] : bytes)
      ADD_FAILURE() << held << " bytes name a context of no online tenant";
  }

  static uint64_t usage(Tenant& tenant) { return tenant.counter.usage() - stocked_below(tenant); }
  static void* take(Tenant& tenant, size_t size) {
    return allocate_for(tenant, size, 1, Fill::kAny);
  }

  std::vector<Tenant*> handles;

private:
  size_t before_ = 0;
};

}  // namespace tenure
