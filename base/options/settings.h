// Room base/options: the options in the environment. It calls base/system. It promises that a bad value costs one line on stderr and
// leaves the default.
//
// The options are one table. The parser, `tenure options` and the documentation are made from the table.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tenure {

enum class CheckLevel : int64_t { kFast = 0, kHardened = 1 };
enum class HugePageMode : int64_t { kOff = 0, kOn = 1, kAuto = 2 };
enum class HelperMode : int64_t { kOff = 0, kOn = 1, kAuto = 2 };
enum class LiveMode : int64_t { kOff = 0, kOn = 1, kFolder = 2 };
// The party that may register threads for restartable sequences: none (sequences are not used), glibc, or the library if glibc did not.
enum class RseqUse : int64_t { kOff = 0, kGlibc = 1, kAuto = 2 };
enum class MappedMode : int64_t { kOff = 0, kOn = 1, kAuto = 2 };
enum class StatsMode : int64_t { kOff = 0, kExit = 1, kJson = 2 };

constexpr size_t kLongestText = 200;

// Values after parsing; constant after bootstrap.
struct Settings {
  int64_t check;          // CheckLevel
  int64_t decay_ms;       // Free pages return to the system after this long; 0 at once, -1 never.
  int64_t huge_pages;     // HugePageMode
  int64_t stats;          // StatsMode
  int64_t arena_gib;      // Address space reserved at start.
  int64_t slab_kib;       // Smallest slab.
  int64_t prefault_kib;   // Largest batch in which growing caches fault pages in; 0 one by one.
  int64_t rss_limit_mib;  // Resident heap above which memory is given back; 0 none.
  int64_t cgroup;  // The same by the limits and the pressure of the process's cgroup: 0 off, 1 on.
  int64_t helper;  // HelperMode
  int64_t lru_lists;                // Lists of a tenant in each LRU; 0 one for each NUMA node.
  int64_t rseq;                     // RseqUse
  int64_t deepbind;                 // Whether dlopen's RTLD_DEEPBIND has effect: 0 off, 1 on.
  int64_t live;                     // LiveMode
  int64_t reports;                  // Reports of refused requests on stderr: 0 off, 1 on.
  int64_t max;                      // Limit on the memory of the whole process, in bytes; 0 none.
  int64_t high;                     // Bytes above which the process reclaims; 0 none.
  int64_t policy;                   // Policy of the limit: accounting/counters/policy.h
  int64_t mapped;                   // MappedMode
  char name[kLongestText];          // Name of the process as a tenant; ends with 0; empty: none.
  int64_t profile;                  // Bytes between two samples on average; 0: no profile.
  char profile_file[kLongestText];  // File for the profile at exit; empty: none.
};

struct Choice {
  const char* word;
  int64_t value;
};

struct Option {
  const char* name;  // In lower case; the environment variable is TENURE_<NAME>.
  const char* help;
  int64_t Settings::*field;  // nullptr for a text.
  int64_t default_value;
  int64_t smallest, largest;  // Of numbers.
  const Choice* choices;      // nullptr for a number and a text; ends with a null word.
  // A text: the name of a file, which has a default, or of a tenant, which is empty by default. A text has no `field`.
  char (Settings::*text)[kLongestText] = nullptr;
  const char* default_text = nullptr;
  // If an absolute path is a value, too: the place for the path, and the field's value in that case.
  char* path = nullptr;
  int64_t path_value = 0;
};

constexpr size_t kLongestPath = 200;
// The folder of TENURE_LIVE, for LiveMode::kFolder. Constant after bootstrap: all threads that read the environment write the same.
extern constinit char live_folder[kLongestPath];

// The table; ends with a null name.
extern const Option option_table[];

// Reads TENURE_* from the environment. A bad value gets one line on stderr that names the option and its good values, and the default is
// used. A variable that belongs to no option is reported with the name of the nearest option. Under AT_SECURE the environment is not read.
// Works before libc has set up `environ`.
void load_settings(Settings& settings);

// Parses one value (base/options/option_value); returns false and changes nothing if it is not valid. For load_settings and tests.
bool parse_option(const Option& option, const char* value, Settings& settings);

}  // namespace tenure
