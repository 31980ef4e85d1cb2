#include "allocator/control/dump.h"

#include "allocator/control/statistics.h"
#include "base/system/file_writer.h"

namespace tenure {

int dump_heap(int fd, uint64_t most) {
  HeapStatistics heap;
  collect_statistics(heap);
  FileWriter out(fd, most);
  out.text("{\"classes\":[");
  bool first = true;
  for (uint32_t i = 0; i < kClassCount; ++i) {
    const ClassStatistics& c = heap.classes[i];
    if (c.slabs == 0) continue;
    out.text(first ? "{\"size\":" : ",{\"size\":").number(class_size(i));
    out.text(",\"slabs\":").number(c.slabs).text(",\"slab_bytes\":").number(c.slab_bytes);
    out.text(",\"live\":").number(c.allocated()).text("}");
    first = false;
  }
  out.text("]}\n");
  return out.end();
}

}  // namespace tenure
