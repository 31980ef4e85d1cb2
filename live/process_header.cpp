#include "live/process_header.h"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/system/clock.h"
#include "base/system/sandbox.h"
#include "base/system/system_file.h"
#include "base/system/topology.h"

namespace tenure::live {
namespace {

// The file's first line, cut.
void read_line(const char* path, char* to, size_t size) {
  size_t length = read_system_file(path, to, size - 1);
  if (const void* end = __builtin_memchr(to, '\n', length))
    length = static_cast<size_t>(static_cast<const char*>(end) - to);
  to[length] = '\0';
}

// Field 22 of /proc/self/stat. The second one, the command in brackets, may have blanks and brackets in it.
uint64_t start_ticks() {
  char text[1024];
  const size_t length = read_system_file("/proc/self/stat", text, sizeof text);
  const char* const end = text + length;
  const char* p = end;
  while (p > text && p[-1] != ')') --p;
  for (unsigned field = 2; field < 22 && p < end; ++p) field += *p == ' ';
  return parse_number(p, end, 0);
}

uint64_t pid_namespace() {
  struct stat about;
  return stat("/proc/self/ns/pid", &about) == 0 ? about.st_ino : 0;
}

uint64_t realtime_us() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
}

void place_parts(Header& header) {
  header.requests_at = kRequestsAt;
  header.totals_at = kTotalsAt;
  header.classes_at = kClassesAt;
  header.events_at = kEventsAt;
  header.reports_at = kReportsAt;
  header.slots_at = kSlotsAt;
  header.request_bytes = sizeof(Request);
  header.requests = kRequests;
  header.class_bytes = sizeof(ClassTotals);
  header.classes = kClasses;
  header.event_bytes = sizeof(Event);
  header.event_entries = kEventEntries;
  header.report_bytes = sizeof(Report);
  header.reports = kReports;
  header.slot_bytes = sizeof(TenantSlot);
}

}  // namespace

void describe_process(Header& header, uint32_t flags, uint32_t parent, const char* version) {
  header.magic = kMagic;
  header.version = kVersion;
  header.header_bytes = kHeaderBytes;
  header.flags = flags | (parent != 0 ? kForked : 0);
  header.parent_pid = parent;
  header.cpus = possible_cpus();
  header.opened_us = monotonic_us();
  header.opened_realtime_us = realtime_us();
  __builtin_strncpy(header.library_version, version, sizeof header.library_version - 1);
  place_parts(header);
  if (is_filtered()) return;
  header.pid = static_cast<uint32_t>(getpid());
  if (parent == 0) header.parent_pid = static_cast<uint32_t>(getppid());
  header.uid = geteuid();
  header.pid_namespace = pid_namespace();
  header.start_ticks = start_ticks();
  read_line("/proc/sys/kernel/random/boot_id", header.boot_id, sizeof header.boot_id);
  read_line("/proc/self/comm", header.command, sizeof header.command);
  if (readlink("/proc/self/exe", header.executable, sizeof header.executable - 1) < 0)
    header.executable[0] = '\0';
}

}  // namespace tenure::live
