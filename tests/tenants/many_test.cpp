// What a tenant costs where there are many: by what the process has more of in RAM.

#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <string>
#include <unistd.h>

#include "tests/tenants/support/tenant_test.h"

namespace blackbox {
namespace {

class ManyTest : public TenantTest {
protected:
  static constexpr size_t kTenants = 10000, kObjects = 10;

  // Without an allocation.
  static double resident() {
    char text[200] = {};
    const int fd = open("/proc/self/statm", O_RDONLY);
    REQUIRE(fd >= 0 && read(fd, text, sizeof text - 1) > 0, "no /proc/self/statm");
    close(fd);
    unsigned long size = 0, pages = 0;
    REQUIRE(sscanf(text, "%lu %lu", &size, &pages) == 2, "%s", text);
    return double(pages) * double(sysconf(_SC_PAGESIZE));
  }
  static size_t metadata() {
    struct tenure_stats stats = {};
    stats.struct_size = sizeof stats;
    REQUIRE(tenure_stats(&stats) == 0, "no statistics");
    return stats.meta;
  }
};

TEST_F(ManyTest, CostWhatTheyUse) {
  std::vector<tenure_tenant*> tenants(kTenants);
  std::vector<void*> objects(kTenants * kObjects);
  std::vector<std::string> names;
  for (size_t i = 0; i < kTenants; ++i) names.push_back("tenant" + std::to_string(i));
  malloc_trim(0);  // What earlier tests have left would be used instead of new pages.
  const size_t metadata_before = metadata();
  const double before = resident();
  const auto each = [before] { return (resident() - before) / kTenants; };

  for (size_t i = 0; i < kTenants; ++i)
    REQUIRE(tenure_tenant_create(tenure_root(), names[i].c_str(), 0, &tenants[i]) == 0, "%zu", i);
  EXPECT_LE(each(), 512) << "an idle tenant, all in all";

  size_t payload = 0;
  for (size_t k = 0; k < objects.size(); ++k) {
    const size_t size = 16 + k * 7919 % 985;
    objects[k] = tenure_malloc(tenants[k / kObjects], size);
    REQUIRE(objects[k] != nullptr, "no memory");
    memset(objects[k], 1, size);
    payload += size;
  }
  EXPECT_LE(each() - double(payload) / kTenants, 1024) << "beyond payload";
  EXPECT_GE(each(), double(payload) / kTenants) << "the payload was not measured";

  for (tenure_tenant* tenant : tenants) {
    REQUIRE(tenure_tenant_offline(tenant, 0) == 0, "not taken offline");
    tenure_tenant_close(tenant);
  }
  EXPECT_EQ(tenure_reap(), kTenants) << "each has live objects";
  for (void* object : objects) free(object);
  EXPECT_EQ(tenure_reap(), 0u);
  // Tables and the descriptions of free memory are as long as they once had to be; a mebibyte of pages is kept.
  EXPECT_LE((double(metadata()) - double(kMiB) - double(metadata_before)) / kTenants, 100)
      << "tables";
}

}  // namespace
}  // namespace blackbox
