// The live region: a file in which a process shows its tenants, and in which other processes of the same user change limits. docs/live.md
//
// Self-contained: the library, the command and tests include it. It has plain structs with fixed offsets, little-endian. Numbers are in the
// unit at the end of their name, else bytes or counts. A reader uses the offsets and sizes in the file's header, not its own.
//
// Processes other than the owner write only fields marked `set from outside`, and requests. The owner follows no place, offset or length
// that it reads here, because it has its own copies. It takes only numbers from the file.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tenure::live {

// "TENURELV" as bytes.
constexpr uint64_t kMagic = 0x564c4552554e4554;
// Changes when a reader of the former version would misread the file. Additions do not change it, so read sizes from the header.
constexpr uint32_t kVersion = 1;

constexpr uint64_t kUnlimited = UINT64_MAX;

// Header::state. Read it first. kMaking: do not read the file yet. kEnded: the process has ended, or has executed another program.
enum class State : uint32_t { kMaking = 0, kLive = 1, kEnded = 2 };

// Bits of Header::flags.
constexpr uint32_t kForked = 1;    // A fork child, which inherited its tenants from `parent_pid`.
constexpr uint32_t kRseq = 2;      // Restartable sequences are in use.
constexpr uint32_t kHardened = 4;  // TENURE_CHECK=hardened.
constexpr uint32_t kFiltered = 8;  // The process may have a seccomp filter.
// The library found a counter that an outside writer had changed, and corrected it as far as possible.
constexpr uint32_t kSpoiled = 16;
// There was no room for some tenants. They are accounted, and not shown.
constexpr uint32_t kIncomplete = 32;
// A tenant stands for the whole process (`tenure run`): slot `process_slot`.
constexpr uint32_t kWholeProcess = 64;

// One tenant. `slot` means its index in the array of slots; 0 is the root's.
enum class SlotState : uint32_t { kFree = 0, kOnline = 1, kDying = 2, kGone = 3 };

constexpr unsigned kEvents = 5;    // low, high, max, overdraw, abort
constexpr unsigned kPolicies = 5;  // fail_large, fail_all, observe, event, abort
constexpr unsigned kNameBytes = 64;

// `oom` of a slot: the reserve, and the policy in the highest byte.
constexpr unsigned kPolicyShift = 56;
constexpr uint64_t kReserveMask = (uint64_t{1} << kPolicyShift) - 1;
constexpr uint64_t pack_oom(uint64_t policy, uint64_t reserve) {
  return policy << kPolicyShift | (reserve < kReserveMask ? reserve : kReserveMask);
}
constexpr uint64_t policy_of(uint64_t oom) { return oom >> kPolicyShift; }
// The largest value means unlimited.
constexpr uint64_t reserve_of(uint64_t oom) {
  return (oom & kReserveMask) == kReserveMask ? kUnlimited : oom & kReserveMask;
}

struct alignas(64) TenantSlot {
  // The counter itself: charges compare and swap it as one 16-byte word. Set from outside: max, by a 16-byte compare-and-swap that leaves
  // `usage` unchanged. Read both in one piece (with the same instruction), or separately.
  uint64_t usage;
  uint64_t max_complement;  // ~max.
  uint64_t peak;
  uint64_t failures;  // Requests refused because of this tenant's max.
  // Set from outside, each by a plain atomic store; `oom` by compare-and-swap.
  uint64_t min;
  uint64_t low;
  uint64_t high_complement;  // ~high.
  uint64_t oom;              // pack_oom(policy, reserve)

  uint64_t events[kEvents];  // Events of this tenant itself, since its creation.
  uint64_t reserved_events[3];

  // Identity. Odd while the slot is being written. Another even number means another tenant. Read it before and after the rest of the slot,
  // with acquire.
  uint32_t generation;
  uint32_t state;   // SlotState
  uint32_t id;      // Tenant's id; the root's is 0. Reused after the tenant has gone.
  uint32_t parent;  // Slot of the parent; the root's is its own, 0.
  uint32_t depth;   // The root's is 0.
  uint32_t flags;   // 1 durable, 2 isolated
  uint32_t name_length;
  uint32_t reserved_identity;
  uint64_t created_us;  // Monotonic clock.
  uint64_t ended_us;    // When it went offline; 0 before.
  uint64_t reserved_times[2];
  char name[kNameBytes];  // Ends with 0; the root's is empty.

  // Stall times (pressure), as of `stall_looked_us`: Linux' PSI. Shares of time in hundredths of a percent.
  uint64_t some_us;  // At least one thread was stalled.
  uint64_t reserved_us;
  uint32_t some[3];  // Over the last 10, 60, 300 seconds.
  uint32_t reserved_shares[3];
  uint64_t stall_looked_us;
  uint64_t reserved_stall[2];

  // As of the last look at the heap.
  uint64_t own_bytes;     // Objects in use.
  uint64_t cached_bytes;  // Free objects that are kept for the tenant.
  uint64_t dead_bytes;    // Charged for tenants below that have gone.
  uint64_t meta_bytes;    // The allocator's structures for the tenant. Not charged.
  uint64_t mapped_bytes;  // Charged for memory that the program mapped itself.
  uint64_t looked_us;     // When; 0: never. Monotonic clock.
  uint64_t reserved_look[2];
};

// The process as a whole, as of the last look.
struct LevelTotals {
  uint64_t looked_us;  // 0: never. Monotonic clock.
  uint64_t allocated_bytes, cached_bytes, slab_bytes, untouched_bytes, dirty_bytes;
  uint64_t held_most_bytes, committed_bytes, reserved_bytes, meta_bytes;
  uint64_t large_objects, large_bytes;
  uint64_t front_objects, front_bytes;  // Free objects at the CPUs.
  uint64_t free_objects;                // Free objects in all.
  uint64_t pressure_reclaims, pressure_returned_bytes;
  uint64_t tenants_online;
  uint64_t classes;  // The number of entries of the class table that are in use.
  uint64_t reserved[45];
};

struct ClassTotals {
  uint64_t object_bytes;  // 0 for the last entry in use: named caches, of any size.
  uint64_t slabs, slab_bytes;
  uint64_t carved;     // Objects that were in use at least once,
  uint64_t in_slabs;   // of those, free in slabs,
  uint64_t in_depot;   // in depots of CPUs,
  uint64_t in_fronts;  // and in their fronts.
  uint64_t reserved;
};

// An event. Event number n is at n % event_entries. `sequence` is 0 while the entry is being written, then n + 1. Read it before and after
// the rest, with acquire.
struct Event {
  uint64_t sequence;
  uint64_t time_us;  // Monotonic clock.
  uint32_t kind;     // EventKind
  uint32_t slot;
  uint32_t generation;
  uint32_t id;
  uint64_t usage;
  uint64_t limit;     // The limit of the event: max, high or low.
  uint64_t bytes;     // The requested bytes, or 0.
  uint64_t argument;  // kReport: the number of the report.
};

enum class EventKind : uint32_t {
  kLow = 0,       // Reclaim took memory below low.
  kHigh = 1,      // Usage went above high.
  kMax = 2,       // A charge met max, before reclaim.
  kOverdraw = 3,  // A charge was granted above max by policy.
  kAbort = 4,     // Policy abort was about to end the process.
  kFailed = 5,    // A request was refused.
  kCreated = 16,  // A tenant came,
  kWent = 17,     // or went offline.
  kReport = 32,   // A report of a failed request was written.
  kServed = 33,   // A request from outside was served; `bytes` is its number.
};

// A report of a failed request: text. Report number n is at n % reports; `sequence` as with events.
constexpr size_t kReportBytes = 4096;
struct Report {
  uint64_t sequence;
  uint64_t time_us;
  uint32_t slot;
  uint32_t generation;
  uint32_t length;
  uint32_t reserved[9];
  char text[kReportBytes - 64];
};

// A request from outside. The client takes a free entry (kUnused -> kWriting, by compare-and-swap), fills it in, stores kPosted with
// release, adds 1 to Header::doorbell and wakes its futex (a shared one). The owner sets kPosted -> kServing -> kAnswered. The client reads
// the answer and stores kUnused. If the owner finds a request after its deadline, it answers -ETIMEDOUT. The owner takes back an entry that
// stays in kAnswered or kWriting beyond the deadline.
enum class RequestState : uint32_t {
  kUnused = 0,
  kWriting = 1,
  kPosted = 2,
  kServing = 3,
  kAnswered = 4
};

enum class RequestKind : uint32_t {
  kPing = 1,  // Nothing.
  kLook =
      2,  // Refreshes what is `as of the last look`: totals, and own, cached and dead bytes and stall times of tenants.
  kReclaim = 3,  // Reclaims `argument` bytes of the tenant and all below. `value`: how many.
  kTrim = 4,     // Returns what is free in the process to the system. `value`: bytes returned.
  kReap = 5,     // Cleans up after departed tenants.
  kOffline = 6,  // Takes the tenant offline; `argument` 1: and all below.
  // 7 is not given again.
  kDump = 8,     // Answers with a file: statistics as JSON. `value`: its length.
  kProfile = 9,  // Answers with a file: a heap profile. `value`: its length.
  kLowered =
      10,  // Limits of the tenant were lowered: reclaims to the lower of max and high. `value`: usage afterwards.
  // Samples allocations, one in `argument` bytes on average; 0: as it does already, or the usual mean. `value`: the mean of before, 0 for none.
  kProfileStart = 11,
  kProfileStop = 12,  // Samples no more. `value`: as above.
};

// The file that answers a request lies in the region's folder. Its name is the prefix, the name of the region's file, "-", and the place of the
// request: ".answer-4711-3". The client removes it before the request becomes kUnused.
constexpr char kAnswerPrefix[] = ".answer-";
constexpr uint64_t kMostAnswerBytes = uint64_t{256} << 20;

constexpr bool answers_with_file(RequestKind kind) {
  return kind == RequestKind::kDump || kind == RequestKind::kProfile;
}

struct Request {
  uint32_t state;
  uint32_t kind;
  uint32_t slot;  // The slot of the tenant, with its generation.
  uint32_t generation;
  uint64_t argument;
  uint64_t deadline_us;  // Monotonic clock.
  uint32_t client_pid;
  int32_t
      result;  // 0 or a negative errno: -ESTALE no such tenant any more, -EOPNOTSUPP not known here.
  uint64_t value;
  uint64_t reserved[2];
  char text[448];  // Ends with 0.
};

struct Header {
  uint64_t magic;
  uint32_t version;
  uint32_t header_bytes;
  uint32_t state;  // State. Written last at the start, with release.
  uint32_t flags;  // Flags

  // The process.
  uint32_t pid;  // In the owner's PID namespace.
  uint32_t parent_pid;
  uint64_t pid_namespace;  // Inode of /proc/self/ns/pid; 0 not known.
  uint64_t start_ticks;    // Field 22 of /proc/self/stat; 0 not known.
  char boot_id[40];        // /proc/sys/kernel/random/boot_id, without the line's end.
  uint32_t uid;
  uint32_t cpus;
  uint64_t opened_us;           // Monotonic clock,
  uint64_t opened_realtime_us;  // and the time of day at that moment.
  char library_version[32];
  char command[16];      // /proc/self/comm at the start.
  char executable[256];  // /proc/self/exe, cut.

  // The offsets in the file. Constant.
  uint64_t requests_at, totals_at, classes_at, events_at, reports_at, slots_at;
  uint32_t request_bytes, requests;
  uint32_t class_bytes, classes;
  uint32_t event_bytes, event_entries;
  uint32_t report_bytes, reports;
  uint32_t slot_bytes, most_slots;

  // The number of slots in the file, which grows. Written after the file has grown, with release.
  uint32_t slots;
  // Slots from this number on were never used.
  uint32_t used_slots;
  uint64_t events_written;   // Numbers given out so far,
  uint64_t reports_written;  // of events, and of reports.
  uint32_t doorbell;  // A futex on which the helper thread sleeps. Set from outside: see Request.
  uint32_t helper;    // 0: no helper thread; 1: one serves requests.
  uint32_t process_slot;  // kWholeProcess
  uint32_t reserved_words;
  // The whole process, as of its last growth or turn of the decay: the bytes that it takes from the system, their highest value so far, and
  // the part that it maps itself. 0: unknown.
  uint64_t process_usage, process_peak, process_mapped;
  uint64_t reserved[441];
};

constexpr size_t kHeaderBytes = 4096;
constexpr uint64_t kRequestsAt = 4096;
constexpr uint32_t kRequests = 16;
constexpr uint64_t kTotalsAt = 12 * 1024;
constexpr uint64_t kClassesAt = 16 * 1024;
constexpr uint32_t kClasses = 128;
constexpr uint64_t kEventsAt = 32 * 1024;
constexpr uint32_t kEventEntries = 1024;
constexpr uint64_t kReportsAt = 96 * 1024;
constexpr uint32_t kReports = 16;
constexpr uint64_t kSlotsAt = 256 * 1024;
constexpr uint32_t kMostSlots = (1u << 20) + (1u << 14);
constexpr uint32_t kNoSlot = UINT32_MAX;

static_assert(sizeof(TenantSlot) == 384 && offsetof(TenantSlot, generation) == 128);
static_assert(offsetof(TenantSlot, name) == 192 && offsetof(TenantSlot, some_us) == 256);
static_assert(offsetof(TenantSlot, own_bytes) == 320);
static_assert(sizeof(LevelTotals) == 512 && sizeof(ClassTotals) == 64 && sizeof(Event) == 64);
static_assert(sizeof(Report) == kReportBytes && sizeof(Request) == 512);
static_assert(sizeof(Header) == kHeaderBytes && offsetof(Header, requests_at) == 416);
static_assert(offsetof(Header, slots) == 504 && offsetof(Header, doorbell) == 528);
static_assert(kRequestsAt + kRequests * sizeof(Request) <= kTotalsAt);
static_assert(kTotalsAt + sizeof(LevelTotals) <= kClassesAt);
static_assert(kClassesAt + kClasses * sizeof(ClassTotals) <= kEventsAt);
static_assert(kEventsAt + kEventEntries * sizeof(Event) <= kReportsAt);
static_assert(kReportsAt + kReports * kReportBytes <= kSlotsAt);
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);

}  // namespace tenure::live
