#include "tests/tools/made_region.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include <fstream>

#include "tools/tenure/reader/proc.h"

namespace tenure::tool {
namespace {

constexpr uint64_t kMiB = 1 << 20;

uint64_t now_us(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
}

template <size_t N>
void put(char (&to)[N], const std::string& text) {
  strncpy(to, text.c_str(), N - 1);
}

void fill_places(live::Header& header, uint32_t slots) {
  header.requests_at = live::kRequestsAt;
  header.totals_at = live::kTotalsAt;
  header.classes_at = live::kClassesAt;
  header.events_at = live::kEventsAt;
  header.reports_at = live::kReportsAt;
  header.slots_at = live::kSlotsAt;
  header.request_bytes = sizeof(live::Request);
  header.requests = live::kRequests;
  header.class_bytes = sizeof(live::ClassTotals);
  header.classes = live::kClasses;
  header.event_bytes = sizeof(live::Event);
  header.event_entries = live::kEventEntries;
  header.report_bytes = sizeof(live::Report);
  header.reports = live::kReports;
  header.slot_bytes = sizeof(live::TenantSlot);
  header.most_slots = live::kMostSlots;
  header.slots = header.used_slots = slots;
}

}  // namespace

MadeRegion::MadeRegion(uint32_t tenants, uint32_t pid, uint64_t start_ticks)
    : bytes(live::kSlotsAt + (tenants + 1) * sizeof(live::TenantSlot)) {
  live::Header& head = header();
  head.magic = live::kMagic;
  head.version = live::kVersion;
  head.header_bytes = sizeof(live::Header);
  head.state = static_cast<uint32_t>(live::State::kLive);
  head.flags = live::kRseq;
  head.pid = pid;
  head.pid_namespace = namespace_of(0, "pid");
  head.start_ticks = start_ticks;
  put(head.boot_id, boot_id());
  head.uid = getuid();
  head.opened_us = now_us(CLOCK_MONOTONIC);
  head.opened_realtime_us = now_us(CLOCK_REALTIME);
  put(head.library_version, TENURE_VERSION);
  put(head.command, "made");
  fill_places(head, tenants + 1);

  make_tenant(0, 0, "");
  slot(0).usage = 0;
  for (uint32_t i = 1; i <= tenants; ++i) {
    // Groups of a hundred below the root; every tenth of a group has the nine that follow.
    const uint32_t group = i - (i - 1) % 100, ten = i - (i - 1) % 10;
    const uint32_t parent = i == group ? 0 : i == ten ? group : ten;
    make_tenant(i, parent, "t" + std::to_string(i));
  }
  auto& totals = *reinterpret_cast<live::LevelTotals*>(bytes.data() + live::kTotalsAt);
  totals.looked_us = head.opened_us;
  totals.allocated_bytes = 7 * kMiB;
  totals.cached_bytes = kMiB;
  totals.classes = 2;
  auto* const classes = reinterpret_cast<live::ClassTotals*>(bytes.data() + live::kClassesAt);
  classes[0] = {16, 3, 3 * 32768, 5000, 100, 200, 300, 0};
  classes[1] = {0, 1, 32768, 10, 0, 0, 1, 0};
}

void MadeRegion::make_tenant(uint32_t number, uint32_t parent, const std::string& name) {
  live::TenantSlot& tenant = slot(number);
  tenant.generation = 2;
  tenant.state = static_cast<uint32_t>(live::SlotState::kOnline);
  tenant.id = number;
  tenant.parent = parent;
  tenant.name_length = static_cast<uint32_t>(name.size());
  put(tenant.name, name);
  tenant.max_complement = number == 0 ? 0 : ~(2 * kMiB + number);
  tenant.oom = live::pack_oom(0, 64 << 10);
  tenant.usage = number * 1000;
  tenant.peak = tenant.usage + 1;
  tenant.failures = number % 7;
  tenant.events[2] = number % 5;
  tenant.own_bytes = number * 900;
}

void MadeRegion::add_event(live::EventKind kind, uint32_t slot_number, uint64_t number) {
  auto* const events = reinterpret_cast<live::Event*>(bytes.data() + live::kEventsAt);
  live::Event& event = events[number % live::kEventEntries];
  event = {number + 1,
           header().opened_us + number,
           static_cast<uint32_t>(kind),
           slot_number,
           slot(slot_number).generation,
           slot_number,
           slot(slot_number).usage,
           ~slot(slot_number).max_complement,
           4096,
           0};
  header().events_written = number + 1;
}

}  // namespace tenure::tool
