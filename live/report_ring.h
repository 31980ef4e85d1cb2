// The reports of refused requests in the live region.
#pragma once

#include <cstddef>
#include <cstdint>

#include "live/layout.h"

namespace tenure::live {

// One report. The destructor completes the report and writes an event with its number. Without a region, or without room there, the object
// writes nothing. Lock-free, async-signal-safe.
class ReportWriter {
public:
  ReportWriter(uint32_t slot, uint32_t id);
  ~ReportWriter();
  ReportWriter(const ReportWriter&) = delete;
  ReportWriter& operator=(const ReportWriter&) = delete;

  // A text that does not fit is cut.
  void add(const char* text, size_t length);

private:
  Report* report_ = nullptr;
  uint64_t number_ = 0;
  const uint32_t slot_, id_;
  uint32_t length_ = 0;  // Not read back from the region.
};

// In a fork child's new region.
void start_reports_anew();

}  // namespace tenure::live
