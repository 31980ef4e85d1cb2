// Requests from outside, and the events that the process shows.
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <functional>
#include <map>
#include <thread>

#include "tests/live/region_reader.h"
#include "tests/live/scenarios.h"
#include "tests/tenants/support/tenant.h"

namespace blackbox {
namespace {

using live::RequestKind;
constexpr size_t kLarge = 256 * kKiB;

void* allocate_in(tenure_tenant* tenant, size_t bytes) {
  const Inside inside(tenant);
  return malloc(bytes);
}

// One of the program's own, so that there is a helper.
class OtherThread {
public:
  OtherThread() {
    NEED(pipe(ends_) == 0);
    thread_ = std::thread([this] {
      char byte;
      NEED(read(ends_[0], &byte, 1) == 1);
    });
  }
  ~OtherThread() {
    NEED(write(ends_[1], "", 1) == 1);
    thread_.join();
  }
  OtherThread(const OtherThread&) = delete;
  OtherThread& operator=(const OtherThread&) = delete;

private:
  int ends_[2];
  std::thread thread_;
};

// Answers with a file: it is the user's alone, as long as the answer says, and of the place of the request. One that nobody fetched gives
// way to the next.
void ask_for_files(const RegionReader& region, const std::function<void()>& meanwhile) {
  const std::string path = region.path(), name = path.substr(path.rfind('/') + 1);
  const std::string answer = path.substr(0, path.rfind('/') + 1) + ".answer-" + name + "-0";
  NEED(symlink("/dev/null", answer.c_str()) == 0);
  for (int i = 0; i < 2; ++i) {
    const auto dumped = region.ask(RequestKind::kDump, &region.slot(0), 0, meanwhile);
    REQUIRE(dumped.result == 0 && dumped.value > 10, "result %d", dumped.result);
    struct stat about;
    NEED(lstat(answer.c_str(), &about) == 0 && S_ISREG(about.st_mode));
    NEED(about.st_uid == geteuid() && (about.st_mode & 07777) == 0600);
    NEED(uint64_t(about.st_size) == dumped.value);
  }
  NEED(unlink(answer.c_str()) == 0);
  NEED(mkdir(answer.c_str(), 0700) == 0);  // Something that cannot be replaced.
  NEED(region.ask(RequestKind::kDump, &region.slot(0), 0, meanwhile).result == -EEXIST);
  NEED(rmdir(answer.c_str()) == 0);
}

// No file may be longer than this: a write beyond would end the process by SIGXFSZ.
void ask_for_short_file(const RegionReader& region, const std::function<void()>& meanwhile) {
  rlimit before;
  NEED(getrlimit(RLIMIT_FSIZE, &before) == 0);
  const rlimit small{10, before.rlim_max};
  NEED(setrlimit(RLIMIT_FSIZE, &small) == 0);
  NEED(region.ask(RequestKind::kDump, &region.slot(0), 0, meanwhile).result == -EFBIG);
  NEED(setrlimit(RLIMIT_FSIZE, &before) == 0);
  NEED(RegionFolder::names_in(region.path().substr(0, region.path().rfind('/'))).size() == 1);
}

// By whoever serves: all that needs no control operation.
void ask_everything(const RegionReader& region, const std::function<void()>& meanwhile) {
  Tenant tenant("asked");
  const live::TenantSlot& slot = region.at("asked");
  NEED(region.ask(RequestKind::kPing, nullptr, 0, meanwhile).result == 0);

  void* const object = allocate_in(tenant, kLarge);
  NEED(region.ask(RequestKind::kLook, nullptr, 0, meanwhile).result == 0);
  NEED(slot.looked_us != 0 && slot.own_bytes == tenant.stats().allocated &&
       slot.own_bytes >= kLarge);
  const auto& totals =
      *reinterpret_cast<live::LevelTotals*>(region.base() + region.header().totals_at);
  NEED(totals.looked_us == slot.looked_us && totals.large_bytes >= kLarge &&
       totals.tenants_online == 1);
  const auto* const classes =
      reinterpret_cast<live::ClassTotals*>(region.base() + region.header().classes_at);
  NEED(totals.classes > 20 && classes[0].object_bytes == 16 && classes[0].slabs > 0);

  ask_for_files(region, meanwhile);
  ask_for_short_file(region, meanwhile);

  NEED(region.ask(RequestKind(7), &slot, 0, meanwhile).result == -EOPNOTSUPP);
  NEED(region.ask(RequestKind(1000), &slot, 0, meanwhile).result == -EOPNOTSUPP);
  const auto trimmed = region.ask(RequestKind::kTrim, nullptr, 0, meanwhile);
  NEED(trimmed.result == 0);
  // Small objects that are free in the tenant's lists.
  for (int i = 0; i < 100; ++i) free(allocate_in(tenant, 1000));
  RegionReader::set_max(region.at("asked"), kLarge);
  const auto lowered = region.ask(RequestKind::kLowered, &slot, 0, meanwhile);
  NEED(lowered.result == 0 && lowered.value == slot.usage);
  NEED(region.ask(RequestKind::kReclaim, &slot, SIZE_MAX, meanwhile).result == 0);

  free(object);
  tenant.offline();
  NEED(region.ask(RequestKind::kReclaim, &slot, 1, meanwhile).result == -ESTALE);
  const uint32_t late = region.post(RequestKind::kPing, nullptr, 0, 1);
  while (!region.answered(late)) meanwhile();
  NEED(region.take(late).result == -ETIMEDOUT);
}

int by_helper(const std::string& folder) {
  const OtherThread other;
  const RegionReader region(folder, getpid());
  const auto wait = [] { sched_yield(); };
  while (region.header().helper == 0) wait();
  ask_everything(region, wait);
  Tenant tenant("going"), inner("inner", tenant);
  const live::TenantSlot& slot = region.at("going");
  NEED(region.ask(RequestKind::kOffline, &slot, 0, wait).result == -EBUSY);
  NEED(region.ask(RequestKind::kOffline, &slot, 1, wait).result == 0);
  NEED(tenure_tenant_online(tenant) == 0);
  tenant.close();
  inner.close();
  NEED(region.ask(RequestKind::kReap, nullptr, 0, wait).result == 0);
  return 0;
}

int by_malloc(const std::string& folder) {
  const RegionReader region(folder, getpid());
  const auto work = [] { free(malloc(3 * kLarge)); };
  ask_everything(region, work);
  // What takes a lock waits for a control operation.
  Tenant tenant("going");
  const uint32_t number =
      region.post(RequestKind::kOffline, &region.at("going"), 0, UINT64_MAX / 2);
  for (int i = 0; i < 1000; ++i) work();
  NEED(!region.answered(number));
  tenure_checkpoint();
  NEED(region.answered(number) && region.take(number).result == 0);
  NEED(tenure_tenant_online(tenant) == 0);
  tenant.close();
  return 0;
}

int events(const std::string& folder) {
  const RegionReader region(folder, getpid());
  Tenant tenant("noisy");
  tenant.limit(TENURE_MAX, kLarge);
  for (int i = 0; i < 5000; ++i) NEED(allocate_in(tenant, 2 * kLarge) == nullptr);
  const uint32_t id = tenure_tenant_id(tenant);
  const live::TenantSlot& slot = region.at("noisy");
  NEED(slot.events[TENURE_EVENT_MAX] == 5000 && slot.failures == 5000);
  tenant.offline();
  std::map<uint32_t, uint32_t> kinds;
  const uint64_t written = region.header().events_written;
  NEED(written > 0 && written < region.header().event_entries);
  uint64_t before = 0;
  for (uint64_t i = 0; i < written; ++i) {
    const live::Event& event = region.event(i);
    NEED(event.sequence == i + 1 && event.time_us >= before);
    before = event.time_us;
    NEED(event.id == id && event.generation == slot.generation);
    NEED(&region.slot(event.slot) == &slot);
    ++kinds[event.kind];
    if (event.kind != uint32_t(live::EventKind::kFailed)) continue;
    NEED(event.bytes >= 2 * kLarge && event.limit == kLarge && event.usage == 0);
  }
  NEED(kinds[uint32_t(live::EventKind::kCreated)] == 1 &&
       kinds[uint32_t(live::EventKind::kWent)] == 1);
  NEED(kinds[uint32_t(live::EventKind::kMax)] >= 1 &&
       kinds[uint32_t(live::EventKind::kFailed)] >= 1);
  // One report, which an event names.
  NEED(kinds[uint32_t(live::EventKind::kReport)] == 1 && region.header().reports_written == 1);
  const auto& report = *reinterpret_cast<live::Report*>(region.base() + region.header().reports_at);
  const std::string text(report.text, report.length);
  NEED(report.sequence == 1 && report.generation == slot.generation);
  REQUIRE(text.find("bytes at /noisy, policy fail-large") != std::string::npos, "%s", text.c_str());
  REQUIRE(text.find("/noisy: usage 0, max 262144") != std::string::npos, "%s", text.c_str());
  NEED(region.event(0).kind == uint32_t(live::EventKind::kCreated));
  return 0;
}

}  // namespace

int run_request_scenario(const std::string& name, const std::string& folder) {
  if (name == "by_helper") return by_helper(folder);
  if (name == "by_malloc") return by_malloc(folder);
  return name == "events" ? events(folder) : -1;
}

}  // namespace blackbox
