#pragma once

#include <errno.h>
#include <gtest/gtest.h>
#include <memory>
#include <stdlib.h>
#include <vector>

#include "tests/tenants/support/tenant.h"

namespace blackbox {

// Every test ends in the root, with no tenant and a sound heap.
class TenantTest : public testing::Test {
protected:
  void TearDown() override {
    EXPECT_EQ(tenure_current(), tenure_root()) << "a scope was not left";
    EXPECT_EQ(leftovers(), "");
  }
};

// Blocks that are freed at the end. The list itself lives outside any tenant's charge: its memory
// is taken from the root whatever the current tenant is.
class Blocks {
public:
  Blocks() = default;
  ~Blocks() { clear(); }
  Blocks(Blocks&&) = default;
  Blocks& operator=(Blocks&&) = default;

  // False where the library refused; it must have said ENOMEM.
  bool add(tenure_tenant* tenant, size_t size) {
    errno = 0;
    void* block = tenure_malloc(tenant, size);
    if (block == nullptr) {
      EXPECT_EQ(errno, ENOMEM);
      return false;
    }
    memset(block, 0x5A, size);
    keep(block);
    return true;
  }
  void add_many(tenure_tenant* tenant, size_t size, size_t count) {
    for (size_t i = 0; i < count; ++i)
      ASSERT_TRUE(add(tenant, size)) << "block " << i << " of " << size << " bytes";
  }
  // Until it is refused, or `most` bytes were given.
  size_t fill(tenure_tenant* tenant, size_t size, size_t most) {
    size_t bytes = 0;
    while (bytes < most && add(tenant, size)) bytes += size;
    return bytes;
  }
  void keep(void* block) {
    Inside root(tenure_root());
    blocks_.push_back(block);
  }
  void clear() {
    for (void* block : blocks_) free(block);
    blocks_.clear();
  }
  void free_one(size_t index) { free(std::exchange(blocks_[index], nullptr)); }
  void free_every(size_t nth) {
    for (size_t i = 0; i < blocks_.size(); i += nth) free_one(i);
  }
  size_t count() const { return blocks_.size(); }
  void* operator[](size_t index) const { return blocks_[index]; }

private:
  std::vector<void*> blocks_;
};

}  // namespace blackbox
