// The holdings of a tenant whose policy ends the process at its limit.
#include <string.h>
#include <unistd.h>

#include "accounting/tenants/tenant.h"
#include "allocator/control/profile.h"
#include "allocator/heap/profile_sites.h"
#include "base/system/loaded_object.h"
#include "base/words/exponential.h"

namespace tenure {
namespace {

struct Largest {
  const ProfileSite* site = nullptr;
  double objects = 0, bytes = 0;
};
constexpr size_t kMost = 10;
constexpr uint32_t kFrames = 6;

bool is_at_or_below(const ProfileTenant& label, const char* top, size_t length) {
  if (length == 1) return true;  // The root
  return strncmp(label.path, top, length) == 0 &&
         (label.path[length] == '\0' || label.path[length] == '/');
}

void keep_if_large(Largest (&largest)[kMost], const Largest& its) {
  for (Largest& place : largest) {
    if (its.bytes <= place.bytes) continue;
    memmove(&place + 1, &place, static_cast<size_t>(&largest[kMost - 1] - &place) * sizeof place);
    place = its;
    return;
  }
}

// "libx.so+0x123", for addr2line.
void write_frame(LineBuffer& line, const void* frame) {
  const uint64_t address = reinterpret_cast<uint64_t>(frame) - 1;
  const LoadedObject object = LoadedObject::of(reinterpret_cast<const void*>(address));
  if (!object) {
    line.hex(address);
    return;
  }
  const char* const file = object.file();
  const char* const slash = strrchr(file, '/');
  line.text(file[0] == '\0' ? "program" : slash ? slash + 1 : file);
  line.text("+").hex(address - object.base());
}

}  // namespace

void report_largest_sites(const Tenant& top) {
  char path[kLongestLabel];
  top.copy_path(path, sizeof path);
  const size_t length = strlen(path);
  Largest largest[kMost];
  profile_sites.for_each([&](const ProfileSite& site) {
    const uint64_t freed = site.freed.load(std::memory_order_acquire);
    const uint64_t live = site.allocated.load(std::memory_order_relaxed) - freed;
    if (live == 0 || !is_at_or_below(*site.tenant, path, length)) return;
    const auto size = static_cast<double>(site.size);
    const double objects =
        static_cast<double>(live) / probability_of_point(size, static_cast<double>(site.mean));
    keep_if_large(largest, {&site, objects, objects * size});
  });
  for (const Largest& its : largest) {
    if (its.site == nullptr) return;
    LineBuffer line;
    line.text("tenure:   about ").decimal(static_cast<uint64_t>(its.bytes)).text(" bytes in ");
    // Rounding functions are in libm. NOLINTNEXTLINE(bugprone-incorrect-roundings)
    line.decimal(static_cast<uint64_t>(its.objects + .5)).text(" objects of ");
    line.decimal(its.site->size).text(", tenant ").text(its.site->tenant->path).text(", by ");
    const ProfileStack& stack = *its.site->stack;
    for (uint32_t i = 0; i < stack.depth && i < kFrames; ++i) {
      if (i != 0) line.text(" < ");
      write_frame(line, stack.frames[i]);
    }
    line.text("\n").flush(STDERR_FILENO);
  }
}

}  // namespace tenure
