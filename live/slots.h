// The slots of the live region: the free ones, and the tenants in the others. The rest of the interface is in live/region.h.
#pragma once

#include <cstdint>

namespace tenure::live {

// Makes room for this process's own data of its slots. False: no memory.
bool reserve_slots(uint32_t most);
// In a fork child's new region: all slots become free.
void free_all_slots();

}  // namespace tenure::live
