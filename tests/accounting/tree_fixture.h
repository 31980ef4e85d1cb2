// A fresh tree for each test: leaves no tenant, context or byte of metadata behind.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "accounting/charge/charge.h"
#include "accounting/pressure/reclaim.h"
#include "accounting/pressure/reclaim_state.h"
#include "accounting/tenants/context_table.h"
#include "accounting/tenants/departed_tenants.h"
#include "accounting/tenants/tenant_ids.h"
#include "accounting/tenants/tenant_tree.h"
#include "tests/rcu/metadata.h"

namespace tenure {

inline void have_contexts() {
  constexpr size_t kBytes = 64 * kMiB;
  static const bool adopted = [] {
    void* range = os::reserve(kBytes, kPageSize);
    if (range == nullptr) __builtin_trap();
    context_table.adopt(range, kBytes);
    return true;
  }();
  static_cast<void>(adopted);
}

class TreeTest : public ::testing::Test {
protected:
  void SetUp() override {
    have_metadata();
    have_contexts();
    ASSERT_TRUE(start_tenants());
    register_offline_hooks({});
    register_reclaim_hooks({});
    // What stays for good (the page of ids, the smallest table of names) comes into being before
    // the count.
    static const bool warm = [] {
      std::vector<Tenant*> some;
      for (int i = 0; i < 100; ++i) {
        Tenant* tenant = nullptr;
        if (create_tenant(root_tenant, std::to_string(i).c_str(), &tenant) != 0) __builtin_trap();
        some.push_back(tenant);
      }
      for (Tenant* tenant : some) {
        offline_tenant(*tenant, 0);
        tenant->unpin();
      }
      return true;
    }();
    static_cast<void>(warm);
    flush_tenants();
    metadata_before_ = metadata();
  }

  void TearDown() override {
    register_offline_hooks({});
    register_reclaim_hooks({});
    for (auto it = handles_.rbegin(); it != handles_.rend(); ++it) {
      if ((*it)->online()) {
        EXPECT_EQ(offline_tenant(**it, kOfflineRecursive), 0);
      }
    }
    for (Tenant* tenant : handles_) tenant->unpin();
    handles_.clear();
    flush_tenants();
    EXPECT_EQ(tenants_online(), 0u);
    EXPECT_EQ(root_tenant.counter.usage(), 0u);
    EXPECT_TRUE(validate_tenants());
    EXPECT_EQ(metadata(), metadata_before_);
    int dead = 0;
    for_each_dead_context([&dead](const DeadContext&) { ++dead; });
    EXPECT_EQ(dead, 0);
  }

  // Without the table by id (and that of reclaim's states), whose directory keeps the length of the most ids in use at once, those
  // that waited for a grace period included.
  static size_t metadata() {
    return meta_arena.in_use() + context_table.in_use() - tenants_by_id.bytes() -
           reclaim_states_bytes() - departed_tenants_bytes();
  }

  // Creates a tenant that TearDown takes away.
  Tenant& make(Tenant& parent, const char* name) {
    Tenant* tenant = nullptr;
    EXPECT_EQ(create_tenant(parent, name, &tenant), 0) << name;
    handles_.push_back(tenant);
    return *tenant;
  }

  std::vector<Tenant*> handles_;
  size_t metadata_before_ = 0;
};

}  // namespace tenure
