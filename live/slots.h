// The slots of the live region: which are free, and who is in them. The rest of the interface is in live/region.h.
#pragma once

#include <cstdint>

namespace tenure::live {

// Room for what this process knows of its slots. False: no memory.
bool reserve_slots(uint32_t most);
// In a fork child's new region: shows nobody in any slot.
void free_all_slots();

}  // namespace tenure::live
