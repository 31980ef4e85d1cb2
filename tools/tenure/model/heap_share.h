// A tenant's part of the heap, as its process answers the request kDump (docs/live.md).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tenure::tool {

// Objects of one size class.
struct ClassShare {
  uint64_t size = 0;  // 0: named caches, of any size.
  uint64_t live = 0, live_bytes = 0;
  uint64_t pooled = 0, pooled_slabs = 0;  // In slabs that tenants share.
  uint64_t slabs = 0, slab_bytes = 0;     // Its own slabs, and free objects of these.
  uint64_t in_slabs = 0, in_depots = 0, in_fronts = 0;
};

// A tenant that keeps slabs from being given back.
struct Holder {
  std::string tenant;    // Path. Of a departed tenant: the one that pays for it now.
  std::string departed;  // Name of the departed tenant, or "".
  uint64_t slabs = 0;    // With an object of it.
  uint64_t alone = 0;    // With objects of it alone.
  uint64_t bytes = 0;    // In slabs.
  uint64_t held = 0;     // Charged, with large objects.
};

struct HeapShare {
  bool isolated = false;  // Its slabs are charged, not its objects.
  std::vector<ClassShare> classes;
  uint64_t free_in_slabs = 0, free_in_depots = 0, free_in_fronts = 0;  // Bytes.
  uint64_t large_objects = 0, large_bytes = 0;
  uint64_t stocked = 0;        // Charged in advance.
  uint64_t unowned_slabs = 0;  // Shared slabs that only cached objects keep.
  uint64_t departed = 0, departed_bytes = 0;
  std::vector<Holder> holders;  // Most slabs first.
  uint64_t other_holders = 0, other_slabs = 0;
};

// For --json: the members of an object, without braces.
void write_members(std::string& out, const HeapShare& share);

}  // namespace tenure::tool
