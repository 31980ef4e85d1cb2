#include "base/options/settings.h"

#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/options/option_value.h"
#include "base/system/log.h"
#include "base/system/system_calls.h"

extern char** environ;

namespace tenure {
namespace {

constexpr Choice kCheckChoices[] = {{"fast", static_cast<int64_t>(CheckLevel::kFast)},
                                    {"hardened", static_cast<int64_t>(CheckLevel::kHardened)},
                                    {nullptr, 0}};
constexpr Choice kSwitchChoices[] = {{"off", 0}, {"on", 1}, {"0", 0}, {"1", 1}, {nullptr, 0}};
constexpr Choice kHugePageChoices[] = {{"auto", static_cast<int64_t>(HugePageMode::kAuto)},
                                       {"on", static_cast<int64_t>(HugePageMode::kOn)},
                                       {"off", static_cast<int64_t>(HugePageMode::kOff)},
                                       {"1", static_cast<int64_t>(HugePageMode::kOn)},
                                       {"0", static_cast<int64_t>(HugePageMode::kOff)},
                                       {nullptr, 0}};
constexpr Choice kHelperChoices[] = {{"auto", static_cast<int64_t>(HelperMode::kAuto)},
                                     {"on", static_cast<int64_t>(HelperMode::kOn)},
                                     {"off", static_cast<int64_t>(HelperMode::kOff)},
                                     {nullptr, 0}};
constexpr Choice kLiveChoices[] = {{"off", static_cast<int64_t>(LiveMode::kOff)},
                                   {"on", static_cast<int64_t>(LiveMode::kOn)},
                                   {nullptr, 0}};
constexpr Choice kRseqChoices[] = {{"auto", static_cast<int64_t>(RseqUse::kAuto)},
                                   {"glibc", static_cast<int64_t>(RseqUse::kGlibc)},
                                   {"off", static_cast<int64_t>(RseqUse::kOff)},
                                   {nullptr, 0}};
constexpr Choice kMappedChoices[] = {{"auto", static_cast<int64_t>(MappedMode::kAuto)},
                                     {"on", static_cast<int64_t>(MappedMode::kOn)},
                                     {"off", static_cast<int64_t>(MappedMode::kOff)},
                                     {nullptr, 0}};
// The order of accounting/counters/policy.h, which checks it.
constexpr Choice kPolicyChoices[] = {{"fail-large", 0}, {"fail-all", 1}, {"observe", 2},
                                     {"event", 3},      {"abort", 4},    {nullptr, 0}};
constexpr int64_t kLargestLimit = int64_t{1} << 60;
constexpr Choice kStatsChoices[] = {{"off", static_cast<int64_t>(StatsMode::kOff)},
                                    {"exit", static_cast<int64_t>(StatsMode::kExit)},
                                    {"json", static_cast<int64_t>(StatsMode::kJson)},
                                    {nullptr, 0}};

constexpr char kPrefix[] = "TENURE_";
constexpr size_t kPrefixLength = sizeof kPrefix - 1;
// Beginnings of variables that are no options. Programs that test the library use them, and the rules library.
constexpr const char* kOthers[] = {"TENURE_TEST_", "TENURE_RULES=", "TENURE_TENANT="};

// Length of the option's upper-case name if `variable` (NAME=value, after the prefix) is that option, else 0.
size_t match_name(const char* name, const char* variable) {
  size_t i = 0;
  for (; name[i] != '\0'; ++i) {
    const char upper = name[i] >= 'a' && name[i] <= 'z' ? static_cast<char>(name[i] - 32) : name[i];
    if (variable[i] != upper) return 0;
  }
  return variable[i] == '=' ? i : 0;
}

void report_bad_value(const char* variable, size_t name_length, const Option& option) {
  const char* const value = variable + name_length + 1;
  LineBuffer line;
  line.text("tenure: option ").text(variable, name_length).text(": bad value '");
  line.text(value, strnlen(value, 100)).text("', the default is used; good: ");
  write_good_values(line, option);
  line.text("\n").flush(STDERR_FILENO);
}

void report_unknown(const char* variable) {
  const char* const name = variable + kPrefixLength;
  const size_t length = strcspn(name, "=");
  LineBuffer line;
  line.text("tenure: there is no option ")
      .text(variable, kPrefixLength + (length < 100 ? length : 100));
  line.text("; the nearest is ").text(kPrefix);
  for (const char* p = nearest_option(name, length).name; *p != '\0'; ++p) {
    const char upper = *p >= 'a' && *p <= 'z' ? static_cast<char>(*p - 32) : *p;
    line.text(&upper, 1);
  }
  line.text("\n").flush(STDERR_FILENO);
}

void load_variable(const char* variable, Settings& settings) {
  if (__builtin_strncmp(variable, kPrefix, kPrefixLength) != 0) return;
  for (const Option* option = option_table; option->name; ++option) {
    const size_t length = match_name(option->name, variable + kPrefixLength);
    if (length == 0) continue;
    const char* const value = variable + kPrefixLength + length + 1;
    if (!parse_option(*option, value, settings))
      report_bad_value(variable, kPrefixLength + length, *option);
    return;
  }
  for (const char* const other : kOthers) {
    if (__builtin_strncmp(variable, other, __builtin_strlen(other)) == 0) return;
  }
  report_unknown(variable);
}

// ld.so may call malloc before libc's `environ` is set; the kernel's copy is always there. Variables longer than the buffer cannot be
// options.
void load_from_proc(Settings& settings) {
  const int fd = sys::open_for_reading("/proc/self/environ");
  if (fd < 0) return;
  char variable[256];
  size_t length = 0;
  char chunk[1024];
  ssize_t n;
  while ((n = sys::read(fd, chunk, sizeof chunk)) > 0) {
    for (ssize_t i = 0; i < n; ++i) {
      if (length < sizeof variable) variable[length] = chunk[i];
      ++length;
      if (chunk[i] != '\0') continue;
      if (length <= sizeof variable) load_variable(variable, settings);
      length = 0;
    }
  }
  sys::close(fd);
}

}  // namespace

constinit char live_folder[kLongestPath];

const Option option_table[] = {
    {"check",
     "Level of checks for misuse: fast (checks that cost nothing) or hardened (every double "
     "free, encoded free lists, cleared memory, misused scopes and handles).",
     &Settings::check, static_cast<int64_t>(CheckLevel::kFast), 0, 0, kCheckChoices},
    {"decay_ms", "Milliseconds after which unused pages return to the system; 0 at once, -1 never.",
     &Settings::decay_ms, 1000, -1, 3600 * 1000, nullptr},
    {"huge_pages",
     "Transparent huge pages: auto (when a heap above 16 MiB grows and fills the memory that it "
     "takes), on (the whole arena) or off (Tenure requests none; the system's setting decides).",
     &Settings::huge_pages, static_cast<int64_t>(HugePageMode::kAuto), 0, 0, kHugePageChoices},
    {"stats", "Print statistics at exit: off, exit (text) or json, on standard error.",
     &Settings::stats, static_cast<int64_t>(StatsMode::kOff), 0, 0, kStatsChoices},
    {"arena_gib",
     "Address space reserved at start in GiB (rounded down to a power of two); less if a limit "
     "requires it.",
     &Settings::arena_gib, 1024, 1, 16 * 1024, nullptr},
    {"slab_kib", "Smallest slab in KiB (rounded up to a power of two).", &Settings::slab_kib, 32,
     32, 256, nullptr},
    {"prefault_kib",
     "Largest batch in KiB in which a growing cache faults its pages in; 0: one by one.",
     &Settings::prefault_kib, 64, 0, 1024, nullptr},
    {"rss_limit_mib",
     "Resident heap in MiB above which free memory is returned and shrinkers run; never fails an "
     "allocation; 0: none.",
     &Settings::rss_limit_mib, 0, 0, 16 * 1024 * 1024, nullptr},
    {"cgroup",
     "Return free memory and run shrinkers near memory.high and memory.max of the process's own "
     "cgroup (v2), and when its memory.pressure is high. Reads files, ten times a second at "
     "most.",
     &Settings::cgroup, 0, 0, 0, kSwitchChoices},
    {"helper",
     "A thread that returns idle memory and cleans up after departed tenants: auto (as long as "
     "the program has threads that pthread_create made), on (from the start) or off.",
     &Settings::helper, static_cast<int64_t>(HelperMode::kAuto), 0, 0, kHelperChoices},
    {"lru_lists",
     "Number of lists, each with a lock, of a tenant in each LRU of the service. 0: one for "
     "each NUMA node of the machine; else this number, among which the CPUs are distributed in "
     "turn (1: strict order of use).",
     &Settings::lru_lists, 0, 0, 64, nullptr},
    {"rseq",
     "Restartable sequences: auto (the library registers threads that glibc has not "
     "registered), glibc (only threads that glibc has registered: for programs that register "
     "their threads themselves) or off.",
     &Settings::rseq, static_cast<int64_t>(RseqUse::kAuto), 0, 0, kRseqChoices},
    {"deepbind",
     "Let dlopen's RTLD_DEEPBIND take effect. Libraries opened with it crash, because they pass "
     "memory that libc allocated with Tenure's malloc to libc's free.",
     &Settings::deepbind, 0, 0, 0, kSwitchChoices},
    {"live",
     "A file in which other processes of the user see the tenants and change limits "
     "(docs/live.md): off, on (in the user's folder for such files), or the folder as an "
     "absolute path.",
     &Settings::live, static_cast<int64_t>(LiveMode::kOff), 0, 0, kLiveChoices, nullptr, nullptr,
     live_folder, static_cast<int64_t>(LiveMode::kFolder)},
    {"reports",
     "Report a tenant's refused request on standard error: the tenants around it, and its "
     "largest classes. Once a minute for each tenant.",
     &Settings::reports, 0, 0, 0, kSwitchChoices},
    {"max",
     "Limit in bytes on the memory of the whole process: heap, and memory that the program maps "
     "(TENURE_MAPPED). Requests that would exceed it fail with ENOMEM as TENURE_POLICY says; 0: "
     "none.",
     &Settings::max, 0, 0, kLargestLimit, nullptr},
    {"high", "Bytes above which the process gives back its caches; no request fails. 0: none.",
     &Settings::high, 0, 0, kLargestLimit, nullptr},
    {"policy",
     "Answer to requests at TENURE_MAX: fail-large (small requests may use a reserve of 64 KiB "
     "beyond it), fail-all, observe (count and grant), event (count, notify listeners and "
     "grant) or abort.",
     &Settings::policy, 0, 0, 0, kPolicyChoices},
    {"mapped",
     "Charge the private anonymous memory that the program maps itself (mmap, mremap, mprotect, "
     "brk): on, off, or auto (if TENURE_MAX or TENURE_HIGH is set).",
     &Settings::mapped, static_cast<int64_t>(MappedMode::kAuto), 0, 0, kMappedChoices},
    {"name", "Name of the process as a tenant: the root's path is /NAME.", nullptr, 0, 0, 0,
     nullptr, &Settings::name},
    {"profile",
     "Mean number of bytes between two sampled allocations, from the start; 0: no profile. The "
     "profile is written at exit to the file that TENURE_PROFILE_FILE names.",
     &Settings::profile, 0, 0, int64_t{1} << 40, nullptr},
    {"profile_file",
     "File for the profile at exit; %p stands for the process's number. Empty: none.", nullptr, 0,
     0, 0, nullptr, &Settings::profile_file, "tenure.%p.profile"},
    {nullptr, nullptr, nullptr, 0, 0, 0, nullptr},
};

void load_settings(Settings& settings) {
  for (const Option* option = option_table; option->name; ++option) {
    if (option->text) {
      set_text(settings.*option->text, option->default_text ? option->default_text : "");
    } else {
      settings.*option->field = option->default_value;
    }
  }
  const int saved = errno;
  if (getauxval(AT_SECURE) == 0) {
    if (environ != nullptr) {
      for (char** variable = environ; *variable; ++variable) load_variable(*variable, settings);
    } else {
      load_from_proc(settings);
    }
  }
  errno = saved;
}

}  // namespace tenure
