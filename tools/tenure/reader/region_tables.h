// The region's events, reports, totals and classes.
#pragma once

#include "tools/tenure/reader/region_view.h"

namespace tenure::tool {

// The last events, oldest first, with the paths of their tenants.
std::vector<Event> copy_events(const RegionBytes& bytes, const live::Header& header);
// Totals, classes, and when the process looked at its heap.
void copy_totals(const RegionBytes& bytes, const live::Header& header, Process& process);
// The text of report number n, or "" where it was overwritten.
std::string copy_report(const RegionBytes& bytes, const live::Header& header, uint64_t number);

}  // namespace tenure::tool
