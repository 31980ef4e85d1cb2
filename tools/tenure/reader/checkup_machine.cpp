// The machine: kernel, restartable sequences, huge pages, limits, cgroup.
#include <errno.h>
#include <fmt/core.h>
#include <gnu/libc-version.h>
#include <linux/membarrier.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/system/cgroup.h"
#include "tools/tenure/model/bytes.h"
#include "tools/tenure/reader/checkup.h"
#include "tools/tenure/reader/locate.h"

namespace tenure::tool {
namespace {

using Level = Finding::Level;

class Findings {
public:
  void good(const std::string& topic, const std::string& text) {
    list.push_back({Level::kGood, topic, text, ""});
  }
  void note(const std::string& topic, const std::string& text, const std::string& remedy) {
    list.push_back({Level::kNote, topic, text, remedy});
  }
  void problem(const std::string& topic, const std::string& text, const std::string& remedy) {
    list.push_back({Level::kProblem, topic, text, remedy});
  }
  std::vector<Finding> list;
};

void examine_kernel(Findings& findings) {
  utsname name{};
  uname(&name);
  int major = 0, minor = 0;
  // NOLINTNEXTLINE(cert-err34-c): zeros where there are no numbers
  sscanf(name.release, "%d.%d", &major, &minor);
  const std::string text = fmt::format("Linux {}, {}", name.release, name.machine);
  if (major > 5 || (major == 5 && minor >= 10)) {
    findings.good("kernel", text);
  } else {
    findings.problem("kernel", text + ": older than 5.10, no fences for restartable sequences",
                     "Tenure works by atomic operations here, slower; a kernel from 5.10 on "
                     "gives full speed");
  }
}

void examine_rseq(Findings& findings) {
  // Refused for its arguments where the call is there.
  const bool is_there = syscall(SYS_rseq, nullptr, 0, 0, 0) == 0 || errno != ENOSYS;
  const char* const tunables = getenv("GLIBC_TUNABLES");
  const bool is_off = tunables != nullptr &&
                      std::string(tunables).find("glibc.pthread.rseq=0") != std::string::npos;
  int minor = 0;
  // NOLINTNEXTLINE(cert-err34-c)
  sscanf(gnu_get_libc_version(), "2.%d", &minor);
  if (!is_there) {
    findings.problem("rseq", "the kernel, or a sandbox, refuses restartable sequences",
                     "allow the system call rseq (seccomp, gVisor); until then Tenure works by "
                     "atomic operations, slower");
  } else if (is_off) {
    findings.note("rseq", "GLIBC_TUNABLES turns restartable sequences off",
                  "take glibc.pthread.rseq=0 out of GLIBC_TUNABLES");
  } else if (minor < 35) {
    findings.problem("rseq",
                     fmt::format("glibc {} does not register threads for restartable "
                                 "sequences",
                                 gnu_get_libc_version()),
                     "glibc 2.35 or later gives full speed");
  } else {
    findings.good("rseq", fmt::format("restartable sequences, glibc {}", gnu_get_libc_version()));
  }
  const long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
  if (commands >= 0 && (commands & MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ) != 0) {
    findings.good("membarrier", "fences for restartable sequences");
  } else {
    findings.problem("membarrier",
                     "the kernel, or a sandbox, refuses fences for restartable "
                     "sequences",
                     "allow the system call membarrier (seccomp); CONFIG_MEMBARRIER in the kernel");
  }
}

// "always [madvise] never": the word in brackets.
std::string chosen_word(const std::string& text) {
  const size_t open = text.find('['), shut = text.find(']');
  return open == std::string::npos || shut == std::string::npos
             ? ""
             : text.substr(open + 1, shut - open - 1);
}

void examine_huge_pages(Findings& findings) {
  const std::string mode =
      chosen_word(read_text("/sys/kernel/mm/transparent_hugepage/enabled", 256));
  if (mode == "never" || mode.empty()) {
    findings.note("huge pages", "transparent huge pages are off",
                  "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled, if "
                  "TENURE_HUGE_PAGES is to have an effect");
  } else {
    findings.good("huge pages", "transparent huge pages: " + mode);
  }
}

void examine_limits(Findings& findings) {
  rlimit limit{};
  getrlimit(RLIMIT_AS, &limit);
  if (limit.rlim_cur == RLIM_INFINITY) {
    findings.good("limits", "no limit of address space");
  } else {
    findings.note(
        "limits", "address space is limited to " + format_bytes(limit.rlim_cur),
        "ulimit -v unlimited; Tenure maps memory as it grows under such a limit, which is "
        "slower, and the limit counts what is only reserved");
  }
  const std::string maps = read_text("/proc/sys/vm/max_map_count", 64);
  if (!maps.empty() && strtoul(maps.c_str(), nullptr, 10) < 65530)
    findings.note("limits", "vm.max_map_count is " + maps.substr(0, maps.find('\n')),
                  "sysctl vm.max_map_count=65530 or more");
  if (read_text("/proc/sys/vm/overcommit_memory", 16).starts_with("2"))
    findings.note("limits", "vm.overcommit_memory is 2: memory is promised once only",
                  "watch CommitLimit in /proc/meminfo; Tenure reserves without committing");
}

void examine_cgroup(Findings& findings) {
  char path[kLongestCgroupPath];
  CgroupMemory memory;
  if (!find_cgroup("/proc/self/cgroup", "/sys/fs/cgroup", path) || !read_cgroup(path, memory)) {
    findings.good("cgroup", "no memory limits of cgroup v2 here");
    return;
  }
  if (memory.limit == UINT64_MAX) {
    findings.good("cgroup", "no limit of memory in " + std::string(path));
    return;
  }
  const std::string text = fmt::format("{} of {} used in {}", format_bytes(memory.current),
                                       format_bytes(memory.limit), path);
  if (cgroup_used(memory) > cgroup_threshold(memory)) {
    findings.problem("cgroup", text + ": the kernel reclaims, or kills, soon",
                     "raise memory.max, or hold the processes by 'tenure run --max' below it; "
                     "TENURE_CGROUP=on has Tenure give memory back near the limit");
  } else {
    findings.good("cgroup", text);
  }
}

void examine_regions(Findings& findings) {
  const Found found = find_all();
  for (const std::string& fault : found.faults)
    findings.problem("region", fault,
                     "use the tool of the same version as the library, or remove "
                     "the file if its process has ended");
  if (!found.ended.empty())
    findings.note(
        "region",
        fmt::format("{} processes ended without removing their files", found.ended.size()),
        "tenure ps shows and removes them");
  findings.good("region", fmt::format("{} processes show their tenants", found.living.size()));
}

}  // namespace

std::vector<Finding> examine_machine() {
  Findings findings;
  examine_kernel(findings);
  examine_rseq(findings);
  examine_huge_pages(findings);
  examine_limits(findings);
  examine_cgroup(findings);
  examine_regions(findings);
  return findings.list;
}

}  // namespace tenure::tool
