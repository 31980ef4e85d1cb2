#include "live/region.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/memory/os_memory.h"
#include "base/system/log.h"
#include "base/system/sandbox.h"
#include "base/system/system_calls.h"
#include "base/words/bits.h"
#include "live/answer_file.h"
#include "live/event_ring.h"
#include "live/process_header.h"
#include "live/region_file.h"
#include "live/report_ring.h"
#include "live/request_box.h"
#include "live/slots.h"

namespace tenure::live {
namespace {

constexpr uint64_t kStep = 64 * kKiB;
constexpr uint64_t kFirstBytes = kSlotsAt + kStep;
// Of a file that must have its room from the start, where the kernel cannot tell a full file system (os::fill).
constexpr uint64_t kFixedBytes = kSlotsAt + 16 * kStep;
// Growth at a time: an eighth of what there is, at most this.
constexpr uint64_t kMostSteps = 16;
// The part that is written from the start on: header, requests, totals.
constexpr uint64_t kFixedPart = kEventsAt;

// The usable and the mapped part, in steps. Raised by who holds tenants_mutex, lowered in its second half by who gives address space up.
struct Extent {
  uint32_t usable, mapped;
};
constinit std::atomic<Extent> extent{};

// Parts that are written only where something happens.
enum class Part : uint8_t { kUntouched, kReady, kNoRoom };
constinit std::atomic<Part> events_part{Part::kUntouched}, reports_part{Part::kUntouched};

// Constant after open_region(), but for move_region() in a child.
constinit char* base = nullptr;
constinit RegionFile file;
constinit uint32_t header_flags = 0;
constinit const char* library_version = "";
constinit uint32_t opened_by = 0;  // The process whose region it is.

constinit std::atomic<uint32_t> owned_for_ever{kOurs};

template <typename T>
T* at(uint64_t offset) {
  return reinterpret_cast<T*>(base + offset);
}

void say(const char* what, int error) {
  const char* const name = strerrorname_np(error);
  LineBuffer line;
  line.text("tenure: TENURE_LIVE: ").text(what).text(" ").text(file.folder());
  line.text(" (").text(name ? name : "?").text("); the process is not shown\n");
  line.flush(STDERR_FILENO);
}

uint64_t most_bytes() {
  const uint64_t most = kSlotsAt + uint64_t{kMostSlots} * sizeof(TenantSlot);
  const size_t limit = os::address_space_limit();
  const uint64_t share = limit == SIZE_MAX ? most : limit / 64;
  return round_up(share < kFirstBytes ? kFirstBytes : share < most ? share : most, kStep);
}

Extent steps(uint64_t usable, uint64_t mapped) {
  return {static_cast<uint32_t>(usable / kStep), static_cast<uint32_t>(mapped / kStep)};
}

// Room for what is used from the start. 0, or an errno.
int fill_first(int fd, uint64_t* mapped) {
  if (!os::commit(base, kFirstBytes)) return ENOMEM;
  const os::Filled filled = os::fill(base, kFixedPart);
  if (filled == os::Filled::kFull ||
      (filled == os::Filled::kDone && os::fill(base + kSlotsAt, kStep) != os::Filled::kDone))
    return ENOSPC;
  if (filled == os::Filled::kDone) return 0;
  const uint64_t bytes = *mapped < kFixedBytes ? *mapped : kFixedBytes;
  if (!sys::allocate_file(fd, bytes)) return errno;
  if (!os::commit(base, bytes)) return ENOMEM;
  *mapped = bytes;
  return 0;
}

// Maps the new file. Nobody else knows the region yet.
bool map_new(int fd, uint64_t bytes) {
  base = static_cast<char*>(os::reserve(bytes, kStep));
  uint64_t mapped = bytes;
  int error = ENOMEM;
  if (base && os::map_shared(base, bytes, fd)) error = fill_first(fd, &mapped);
  if (error == 0 && !reserve_slots(static_cast<uint32_t>((bytes - kSlotsAt) / sizeof(TenantSlot))))
    error = ENOMEM;
  auto* const page =
      static_cast<std::atomic<uint32_t>*>(error == 0 ? os::page_cleared_by_fork() : nullptr);
  if (error == 0 && page == nullptr) error = ENOSYS;
  if (error != 0) {
    say("no memory for a file in", error);
    if (base) os::release(base, bytes);
    base = nullptr;
    return false;
  }
  const uint64_t usable = mapped < bytes ? mapped : kFirstBytes;
  extent.store(steps(usable, mapped), std::memory_order_relaxed);
  page->store(kOurs, std::memory_order_relaxed);
  ownership.store(page, std::memory_order_relaxed);
  return true;
}

void start_header(uint32_t parent) {
  Header& now = header();
  describe_process(now, header_flags, parent, library_version);
  now.most_slots = static_cast<uint32_t>((most_bytes() - kSlotsAt) / sizeof(TenantSlot));
  now.slots = usable_slots();
  opened_by = now.pid;
  // Release: who sees the state sees the rest.
  std::atomic_ref(now.state).store(static_cast<uint32_t>(State::kLive), std::memory_order_release);
}

// So that a new file is one that can be written: after a fork, from the parent's.
bool copy_into(int fd, uint64_t bytes) {
  for (uint64_t done = kSlotsAt; done < bytes;) {
    const ssize_t n = sys::write_at(fd, base + done, bytes - done, done);
    if (n <= 0) return false;
    done += static_cast<uint64_t>(n);
  }
  return sys::allocate_file(fd, kFixedPart);
}

bool move_to_file(uint64_t usable, uint64_t mapped) {
  if (is_filtered()) return false;
  const int fd = file.make(mapped);
  if (fd < 0) return false;
  const bool done =
      copy_into(fd, usable) && os::map_shared(base, mapped, fd) && os::commit(base, usable);
  if (!done) file.abandon();
  sys::close(fd);
  return done;
}

bool part_is_ready(std::atomic<Part>& part, uint64_t from, uint64_t to) {
  Part seen = part.load(std::memory_order_acquire);
  if (seen == Part::kUntouched) {
    seen = os::fill(base + from, to - from) == os::Filled::kFull ? Part::kNoRoom : Part::kReady;
    part.store(seen, std::memory_order_release);
  }
  return seen == Part::kReady;
}

}  // namespace

constinit std::atomic<std::atomic<uint32_t>*> ownership{&owned_for_ever};

void open_region(LiveMode mode, uint32_t flags, const char* version) {
  if (base || !file.choose_folder(mode)) return;
  const int saved = errno;
  header_flags = flags;
  library_version = version;
  const uint64_t bytes = most_bytes();
  const int fd = file.make(bytes);
  if (fd < 0) {
    say("cannot make a file in", -fd);
  } else {
    if (map_new(fd, bytes)) {
      start_header(0);
      region_opened.store(true, std::memory_order_relaxed);
      if (!file.publish()) say("cannot name a file in", errno);
    } else {
      file.abandon();
    }
    sys::close(fd);
  }
  errno = saved;
}

bool is_open() { return base != nullptr; }
const char* region_path() { return file.path(); }

int make_answer_file(uint32_t place) { return file.make_answer(place); }
void remove_answer_file(uint32_t place) { file.remove_answer(place); }

void end_region() {
  // A filter may end the process for the calls that this takes: then whoever finds the file removes it.
  if (base == nullptr || !is_ours() || is_filtered()) return;
  if (opened_by != static_cast<uint32_t>(getpid())) return;
  std::atomic_ref(header().state)
      .store(static_cast<uint32_t>(State::kEnded), std::memory_order_release);
  forget_answers();
  file.remove();
}

void give_up_unused_region() {
  Extent seen = extent.load(std::memory_order_acquire);
  Extent kept;
  do {
    // The growth that may be under way stays possible.
    kept = {seen.usable, seen.usable + static_cast<uint32_t>(kMostSteps)};
    if (base == nullptr || kept.mapped >= seen.mapped) return;
  } while (!extent.compare_exchange_weak(seen, kept, std::memory_order_acq_rel));
  os::release(base + kept.mapped * kStep, (seen.mapped - kept.mapped) * kStep);
}

bool grow_region() {
  const Extent seen = extent.load(std::memory_order_acquire);
  uint64_t more = 1 + seen.usable / 8;
  if (more > kMostSteps) more = kMostSteps;
  if (seen.usable + more > seen.mapped) more = seen.mapped - seen.usable;
  if (more == 0) return false;
  char* const from = base + seen.usable * kStep;
  if (!os::commit(from, more * kStep) || os::fill(from, more * kStep) != os::Filled::kDone)
    return false;
  Extent before = seen;
  const Extent after{static_cast<uint32_t>(seen.usable + more), seen.mapped};
  // Who gives address space up leaves what this growth may take.
  while (!extent.compare_exchange_weak(before, {after.usable, before.mapped},
                                       std::memory_order_acq_rel)) {
  }
  std::atomic_ref(header().slots).store(usable_slots(), std::memory_order_release);
  return true;
}

uint32_t usable_slots() {
  const uint64_t bytes = extent.load(std::memory_order_acquire).usable * kStep - kSlotsAt;
  return static_cast<uint32_t>(bytes / sizeof(TenantSlot));
}

Header& header() { return *at<Header>(0); }
TenantSlot& slot_at(uint32_t slot) {
  return *at<TenantSlot>(kSlotsAt + uint64_t{slot} * sizeof(TenantSlot));
}
Request* requests() { return at<Request>(kRequestsAt); }
LevelTotals& level_totals() { return *at<LevelTotals>(kTotalsAt); }
ClassTotals* class_totals() { return at<ClassTotals>(kClassesAt); }
Event* events() {
  return part_is_ready(events_part, kEventsAt, kReportsAt) ? at<Event>(kEventsAt) : nullptr;
}
Report* reports() {
  return part_is_ready(reports_part, kReportsAt, kReportsAt + kReports * kReportBytes)
             ? at<Report>(kReportsAt)
             : nullptr;
}

void add_flag(uint32_t flag) {
  std::atomic_ref(header().flags).fetch_or(flag, std::memory_order_relaxed);
}
void note_spoiled() { add_flag(kSpoiled); }

bool move_region() {
  const int saved = errno;
  const Extent now = extent.load(std::memory_order_acquire);
  const uint32_t parent = opened_by;
  const bool moved = move_to_file(now.usable * kStep, now.mapped * kStep);
  if (moved) {
    events_part.store(Part::kUntouched, std::memory_order_relaxed);
    reports_part.store(Part::kUntouched, std::memory_order_relaxed);
    start_events_anew();
    start_reports_anew();
    start_requests_anew();
    start_answers_anew();
    start_header(parent);
    free_all_slots();
  }
  errno = saved;
  return moved;
}

void publish_region() {
  const int saved = errno;
  file.publish();
  errno = saved;
}

void leave_region() {
  // Whoever comes here late, through a tenant that is gone, finds memory that is not the parent's.
  os::remap_fresh(base, extent.load(std::memory_order_acquire).usable * kStep);
  base = nullptr;
  region_opened.store(false, std::memory_order_relaxed);
  ownership.store(&owned_for_ever, std::memory_order_release);
}

}  // namespace tenure::live
