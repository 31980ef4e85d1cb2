// A live region as it is read: copies whose bounds were checked, out of a file that another process writes, and that may be torn,
// damaged or hostile. Nothing that is read is used as a place or a length before it was compared with the file's size.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "live/layout.h"
#include "tools/tenure/model/process.h"

namespace tenure::tool {

// Copies out of the file by pread: a file that becomes shorter meanwhile gives fewer bytes, where a mapping would give SIGBUS.
class RegionBytes {
public:
  explicit RegionBytes(int fd) : fd_(fd) {}
  // Whether all `length` bytes were there.
  bool copy(uint64_t at, void* to, size_t length) const;
  uint64_t size() const;

private:
  int fd_;
};

// What is wrong with the header, in words, or "". `size` is the file's.
std::string header_fault(const live::Header& header, uint64_t size);

// One tenant's slot with its number.
struct NumberedSlot {
  uint32_t number;
  live::TenantSlot slot;
};

// The slots of tenants. Slots that change while they are copied are copied again, a few times.
std::vector<NumberedSlot> copy_slots(const RegionBytes& bytes, const live::Header& header);
// Fills in tenants, events, classes and totals of `process`. The header has no fault.
void fill_in(const RegionBytes& bytes, const live::Header& header, Process& process);
// The tenants, parents before children. Those without a way to the root are left out: a hostile file's, or one that was
// removed while its children were copied.
std::vector<Tenant> tenants_of(const std::vector<NumberedSlot>& slots);
// CLOCK_REALTIME, in nanoseconds, of a moment that the region has in microseconds of CLOCK_MONOTONIC.
int64_t realtime_of(const live::Header& header, uint64_t monotonic_us);

// The text of an array of characters, which need not end with 0; printable.
template <size_t N>
std::string text_of(const char (&characters)[N]);
std::string text_of(const char* characters, size_t most);

template <size_t N>
std::string text_of(const char (&characters)[N]) {
  return text_of(characters, N);
}

}  // namespace tenure::tool
