// A live region as the library makes one, for tests of what reads it.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "live/layout.h"

namespace tenure::tool {

struct MadeRegion {
  // The whole file: a root, and below it `tenants` in a tree of four levels, with figures that their number tells.
  MadeRegion(uint32_t tenants, uint32_t pid, uint64_t start_ticks);

  live::Header& header() { return *reinterpret_cast<live::Header*>(bytes.data()); }
  live::TenantSlot& slot(uint32_t number) {
    return reinterpret_cast<live::TenantSlot*>(bytes.data() + live::kSlotsAt)[number];
  }
  // As the library: a name, a parent, and limits.
  void make_tenant(uint32_t number, uint32_t parent, const std::string& name);
  void add_event(live::EventKind kind, uint32_t slot, uint64_t number);

  std::vector<std::byte> bytes;
};

}  // namespace tenure::tool
