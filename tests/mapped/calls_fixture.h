#pragma once

#include <stdlib.h>
#include <sys/mman.h>

#include <gtest/gtest.h>

#include "accounting/charge/process_memory.h"
#include "accounting/tenants/tenant.h"
#include "allocator/heap/bootstrap.h"
#include "allocator/slabs/arena.h"
#include "allocator/upkeep/process_limit.h"
#include "mapped/account.h"
#include "mapped/calls.h"

namespace tenure::mapped {

// A process that counts what is mapped by the functions of mapped/calls.h, which nobody else calls here.
class CallsTest : public testing::Test {
protected:
  CallsTest() {
    setenv("TENURE_MAPPED", "on", 1);
    EXPECT_TRUE(tracks());
  }
  ~CallsTest() override {
    if (ballast_) unmap_pages(ballast_, kBallast);
    ballast_ = nullptr;
    EXPECT_EQ(charged_bytes(), 0u);
    expect_charged(0);
  }

  // All three ledgers.
  void expect_charged(uint64_t pages) const {
    if (ballast_) pages += kBallast;
    EXPECT_EQ(charged_bytes(), pages * kPageSize);
    EXPECT_EQ(charged_for_mappings(), pages * kPageSize);
    EXPECT_EQ(process_memory.usage(), pages * kPageSize + arena.page_heap.resident_bytes());
  }
  // No more than `pages` beyond what is charged now, and no reserve. With memory that nobody touches, so that less is resident than is
  // charged, and what is resident besides does not count.
  void leave_room(uint64_t pages) {
    ballast_ = map_pages(kBallast);
    root_tenant.set_policy(Policy::kFailAll);
    process_memory.set_max(process_memory.usage() + pages * kPageSize);
  }

  static char* map_pages(uint64_t pages, int protection = PROT_READ | PROT_WRITE, int flags = 0) {
    void* const p =
        map(nullptr, pages * kPageSize, protection, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
    return p == MAP_FAILED ? nullptr : static_cast<char*>(p);
  }
  static char* map_at(void* p, uint64_t pages, int protection = PROT_READ | PROT_WRITE) {
    void* const at =
        map(p, pages * kPageSize, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    return at == MAP_FAILED ? nullptr : static_cast<char*>(at);
  }
  static void unmap_pages(char* p, uint64_t pages) { EXPECT_EQ(unmap(p, pages * kPageSize), 0); }
  static char* page(char* p, uint64_t index) { return p + index * kPageSize; }
  static void touch(char* p, uint64_t pages) {
    for (uint64_t i = 0; i < pages; ++i) *static_cast<volatile char*>(page(p, i)) = 1;
  }

private:
  static constexpr uint64_t kBallast = 64 * kMiB / kPageSize;
  char* ballast_ = nullptr;
};

}  // namespace tenure::mapped
