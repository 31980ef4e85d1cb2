// What the tool knows of a process at one moment. The reader fills it in; commands and screens show it. Nothing here knows where
// the figures come from, so that a recording is shown as a live process is.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tools/tenure/model/bytes.h"

namespace tenure::tool {

// The events that are counted, as enum tenure_event has them.
constexpr size_t kEventKinds = 5;
constexpr std::array<const char*, kEventKinds> kEventNames = {"low", "high", "max", "overdraw",
                                                              "abort"};
constexpr size_t kEventHigh = 1, kEventMax = 2, kEventOverdraw = 3;

// The words of a policy, as enum tenure_policy has them, and their numbers; "?" for another number, -1 for another word.
constexpr std::array<const char*, 5> kPolicyNames = {"fail-large", "fail-all", "observe", "event",
                                                     "abort"};
const char* policy_name(uint32_t policy);
int policy_number(std::string_view word);

// Time in which at least one thread stood still for want of memory ("some" of the kernel's PSI). Averages are hundredths of a percent.
struct Stall {
  uint64_t total_us = 0;
  std::array<uint32_t, 3> average = {};  // Over 10, 60 and 300 seconds.
  bool operator==(const Stall&) const = default;
};

constexpr uint32_t kNoParent = UINT32_MAX;

struct Tenant {
  uint32_t id = 0;
  uint32_t slot = 0;            // Its place in the process's region,
  uint32_t generation = 0;      // and which of all tenants that were ever there it is.
  uint32_t parent = kNoParent;  // Index in Process::tenants, below this one's; kNoParent: the root.
  uint32_t depth = 0;
  std::string name;    // Printable. "" of the root.
  bool online = true;  // False: on its way out.
  uint32_t policy = 0;
  uint64_t usage = 0, peak = 0;  // With all below; so are the counters of failures.
  uint64_t min = 0, low = 0, high = kUnlimited, max = kUnlimited, reserve = 0;
  uint64_t failures = 0;                                  // Requests refused because of its max.
  std::array<uint64_t, kEventKinds> events = {};          // Its own.
  std::array<uint64_t, kEventKinds> subtree_events = {};  // With those of all below.
  Stall some;
  // As of the target's last look, see Process::looked_at_ns.
  uint64_t own = 0;     // Its own live objects.
  uint64_t cached = 0;  // Its own free ones.
  uint64_t dead = 0;    // What departed tenants left to it.
  uint64_t mapped = 0;  // What the program mapped itself.
  uint64_t meta = 0;    // The allocator's structures; not charged.
  bool operator==(const Tenant&) const = default;
};

// Something that happened, out of the ring of the last ones.
struct Event {
  uint64_t sequence = 0;
  int64_t time_ns = 0;  // CLOCK_REALTIME
  std::string kind;
  std::string tenant;   // Path.
  std::string text;     // In words.
  uint64_t number = 0;  // Of the report, for kind "report".
  bool operator==(const Event&) const = default;
};

// One size class.
struct Class {
  uint64_t size = 0;  // Of an object; 0: named caches, of any size.
  uint64_t slabs = 0, slab_bytes = 0;
  uint64_t live = 0;  // Objects; and free ones
  uint64_t in_slabs = 0, in_depots = 0, in_fronts = 0;
  bool operator==(const Class&) const = default;
};

// A figure with a name that has no place of its own: level or total.
struct Total {
  std::string name;
  uint64_t bytes = 0;
  bool operator==(const Total&) const = default;
};

struct Process {
  int pid = 0;
  uint64_t start_time = 0;  // In ticks since boot, as /proc/PID/stat: with the pid, one process.
  uint32_t uid = 0;
  std::string name;          // /proc/PID/comm
  std::string command;       // /proc/PID/cmdline
  uint64_t resident = 0;     // As the kernel counts; 0 of one that has ended.
  std::string mode;          // "rseq" or "fallback"
  std::string version;       // Of the library.
  int64_t taken_ns = 0;      // When it was read, CLOCK_REALTIME.
  bool stopped = false;      // SIGSTOP, or a debugger.
  bool ended = false;        // This is what it left.
  bool answers = false;      // Has a helper thread, which serves requests.
  int64_t looked_at_ns = 0;  // When the target last walked its heap; 0: never.
  uint32_t whole =
      0;  // Index of the tenant that stands for the whole process; 0: none but the root.
  std::vector<Tenant> tenants;  // The root first; parents before children.
  std::vector<Event> events;    // Oldest first.
  std::vector<Class> classes;   // Of the heap.
  uint64_t heap = 0;            // Slabs and large objects, as of the last look.
  std::vector<Total> totals;    // Levels and sums.
};

struct Sample {
  int64_t time_ns = 0;
  std::vector<Process> processes;
};

// "/shop/acme"; "/" for the root.
std::string path_of(const Process& process, size_t index);
// All paths, by index: quicker than one by one.
std::vector<std::string> paths_of(const Process& process);
// Index of the online tenant with this path, or -1.
int64_t find_tenant(const Process& process, std::string_view path);
// Parents before children, each followed by all below it; children in the order of `before` (indices).
std::vector<size_t> preorder(const Process& process, bool (*before)(const Tenant&, const Tenant&));
// The limit that is nearest for the tenant: its own max or that of an ancestor, whichever leaves less room. The index of the
// tenant whose max it is, or -1 where there is none.
int64_t nearest_limit(const Process& process, size_t index);
// Events of a kind that have happened in the whole process.
uint64_t total_events(const Process& process, size_t kind);

}  // namespace tenure::tool
