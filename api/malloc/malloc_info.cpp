// glibc's reports on malloc: mallinfo, malloc_stats, malloc_info.
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#include "allocator/control/statistics.h"
#include "base/words/attributes.h"

namespace {

size_t as_size(uint64_t value) { return static_cast<size_t>(value); }

}  // namespace

// glibc's "mmapped" blocks are Tenure's large objects, its fastbins the fronts, and its arena all other memory held from the system. As in
// glibc, arena = uordblks + fordblks, and hblkhd comes on top: no byte is counted twice.
TENURE_EXPORT struct mallinfo2 mallinfo2(void) {
  tenure::HeapStatistics s;
  tenure::collect_statistics(s);
  struct mallinfo2 info = {};
  info.hblks = s.large_objects;
  info.hblkhd = s.large_bytes;
  info.uordblks = s.small_bytes();
  info.fordblks = s.free_bytes();
  info.arena = info.uordblks + info.fordblks;
  info.smblks = s.front_objects;
  info.fsmblks = s.front_bytes;
  info.ordblks = s.free_objects - s.front_objects;
  info.keepcost = s.dirty_bytes;
  return info;
}

// As in glibc, a value that does not fit an int wraps around.
TENURE_EXPORT struct mallinfo mallinfo(void) {
  const struct mallinfo2 wide = mallinfo2();
  struct mallinfo info = {};
  info.arena = static_cast<int>(wide.arena);
  info.ordblks = static_cast<int>(wide.ordblks);
  info.smblks = static_cast<int>(wide.smblks);
  info.hblks = static_cast<int>(wide.hblks);
  info.hblkhd = static_cast<int>(wide.hblkhd);
  info.fsmblks = static_cast<int>(wide.fsmblks);
  info.uordblks = static_cast<int>(wide.uordblks);
  info.fordblks = static_cast<int>(wide.fordblks);
  info.keepcost = static_cast<int>(wide.keepcost);
  return info;
}

TENURE_EXPORT void malloc_stats(void) { tenure::print_statistics(STDERR_FILENO, false); }

// XML with glibc's outline: totals of free memory, and of memory held from the system, large objects included.
TENURE_EXPORT int malloc_info(int options, FILE* stream) {
  if (options != 0) {
    errno = EINVAL;
    return -1;
  }
  tenure::HeapStatistics s;
  tenure::collect_statistics(s);
  fprintf(stream, "<malloc version=\"tenure-1\">\n");
  for (uint32_t i = 0; i < tenure::kClassCount; ++i) {
    const tenure::ClassStatistics& c = s.classes[i];
    if (c.slabs == 0) continue;
    const uint64_t waste = c.waste_permille(tenure::class_size(i));
    fprintf(stream,
            "<class size=\"%zu\" allocated=\"%zu\" slabs=\"%zu\" fronts=\"%zu\" depot=\"%zu\" "
            "free=\"%zu\" waste=\"%zu.%zu\"/>\n",
            tenure::class_size(i), as_size(c.allocated()), as_size(c.slabs), as_size(c.in_fronts),
            as_size(c.in_depot), as_size(c.in_slabs), as_size(waste / 10), as_size(waste % 10));
  }
  fprintf(stream,
          "<total type=\"fast\" count=\"%zu\" size=\"%zu\"/>\n"
          "<total type=\"rest\" count=\"%zu\" size=\"%zu\"/>\n"
          "<total type=\"large\" count=\"%zu\" size=\"%zu\"/>\n",
          as_size(s.front_objects), as_size(s.front_bytes),
          as_size(s.free_objects - s.front_objects), as_size(s.free_bytes() - s.front_bytes),
          as_size(s.large_objects), as_size(s.large_bytes));
  fprintf(stream,
          "<system type=\"current\" size=\"%zu\"/>\n<system type=\"max\" size=\"%zu\"/>\n"
          "<aspace type=\"total\" size=\"%zu\"/>\n<aspace type=\"mprotect\" size=\"%zu\"/>\n"
          "</malloc>\n",
          as_size(s.held_bytes()), as_size(s.held_most), as_size(s.reserved_bytes),
          as_size(s.committed_bytes));
  return ferror(stream) ? -1 : 0;
}
