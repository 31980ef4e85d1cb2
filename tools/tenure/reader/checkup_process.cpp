// One process: is the library in it, does it show its tenants, how do its tenants fare.
#include <elf.h>
#include <fmt/core.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>

#include "tools/tenure/model/bytes.h"
#include "tools/tenure/reader/checkup.h"
#include "tools/tenure/reader/executable.h"
#include "tools/tenure/reader/locate.h"

namespace tenure::tool {
namespace {

using Level = Finding::Level;

// The value of a variable in /proc/PID/environ, which is as it was at the start of the program.
std::optional<std::string> variable(const std::string& environment, const std::string& name) {
  for (size_t at = 0; at < environment.size();) {
    const size_t end = std::min(environment.find('\0', at), environment.size());
    if (environment.compare(at, name.size() + 1, name + "=") == 0)
      return environment.substr(at + name.size() + 1, end - at - name.size() - 1);
    at = end + 1;
  }
  return std::nullopt;
}

bool is_secure(int pid) {
  const std::string vector = read_text(fmt::format("/proc/{}/auxv", pid), 4096);
  for (size_t at = 0; at + sizeof(Elf64_auxv_t) <= vector.size(); at += sizeof(Elf64_auxv_t)) {
    Elf64_auxv_t entry;
    memcpy(&entry, vector.data() + at, sizeof entry);
    if (entry.a_type == AT_SECURE) return entry.a_un.a_val != 0;
  }
  return false;
}

std::string status_number(const std::string& status, const std::string& name) {
  const size_t at = status.find("\n" + name + ":");
  if (at == std::string::npos) return "";
  const size_t start = status.find_first_of("0123456789", at);
  return start == std::string::npos
             ? ""
             : status.substr(start, status.find_first_of(" \n", start) - start);
}

class Examination {
public:
  explicit Examination(const ProcFacts& facts)
      : facts_(facts),
        environment_(read_text(fmt::format("/proc/{}/environ", facts.pid), 1 << 20)) {}

  std::vector<Finding> findings;

  // Whether the library is there.
  bool look_for_library() {
    for (const MappedFile& file : mapped_files(facts_.pid)) {
      if (file.path.find("libtenure.so") == std::string::npos) continue;
      add(Level::kGood, "library", file.path + " is in the process", "");
      return true;
    }
    const auto preload = variable(environment_, "LD_PRELOAD");
    const std::string program = fmt::format("/proc/{}/exe", facts_.pid);
    const std::string why = why_not_preloaded(program);
    if (is_secure(facts_.pid)) {
      add(Level::kProblem, "library",
          "it is not in the process, which runs with raised privileges: nothing is preloaded",
          "link the program with the library, or start it without set-user-ID and capabilities");
    } else if (!why.empty()) {
      add(Level::kProblem, "library", "it is not in the process: the program is linked statically",
          "link the program with libtenure.a");
    } else if (preload && preload->find("tenure") != std::string::npos) {
      add(Level::kProblem, "library", "it is not in the process, though LD_PRELOAD is " + *preload,
          "see whether that path exists where the process runs (container, chroot)");
    } else {
      add(Level::kNote, "library", "it is not in the process",
          "start the program by 'tenure run', or link it with the library");
    }
    return false;
  }

  void look_at_sandbox() {
    const std::string status = read_text(fmt::format("/proc/{}/status", facts_.pid), 16 * 1024);
    if (status_number(status, "Seccomp") == "2")
      add(Level::kNote, "seccomp", "the process has a seccomp filter",
          "let rseq, membarrier and openat pass, or refuse them with an error: a filter that kills "
          "ends the process");
    const std::string swapped = status_number(status, "VmSwap");
    if (!swapped.empty() && swapped != "0")
      add(Level::kNote, "swap", swapped + " KiB of the process are swapped out",
          "limits of Tenure count charges, not resident pages: give the machine more memory or the "
          "process less");
  }

  void look_at_region() {
    try {
      Located located = find_process(facts_.pid);
      const Process process = located.region.read(facts_);
      add(Level::kGood, "region",
          located.region.path() + fmt::format(", {} tenants", process.tenants.size() - 1), "");
      look_at_mode(process, located.region.header());
      look_at_helper(process);
      look_at_tenants(process);
    } catch (const Failure& failure) {
      const bool is_absent = failure.status == kExitNotThere;
      add(Level::kProblem, "region",
          is_absent ? "the process does not show its tenants" : failure.what(),
          is_absent ? "start it with TENURE_LIVE=on, as 'tenure run' does; a fork child shows them "
                      "after its first allocation"
                    : "use the tool of the same version as the library");
    }
  }

private:
  void add(Level level, const std::string& topic, const std::string& text,
           const std::string& remedy) {
    findings.push_back({level, topic, text, remedy});
  }

  void look_at_mode(const Process& process, const live::Header& header) {
    if (process.mode == "fallback") {
      add(Level::kProblem, "mode", "the fast path works by atomic operations, without rseq",
          "see 'tenure doctor' for what the machine lacks; GLIBC_TUNABLES, TENURE_CHECK");
    } else {
      add(Level::kGood, "mode", process.mode + ", library " + process.version, "");
    }
    if (process.version != TENURE_VERSION)
      add(Level::kNote, "version",
          "the library has version " + process.version + ", this tool " TENURE_VERSION,
          "install both together");
    if ((header.flags & live::kIncomplete) != 0)
      add(Level::kNote, "region", "there are more tenants than the region has room for",
          "those without room are accounted as ever, and are not shown");
    if ((header.flags & live::kSpoiled) != 0)
      add(Level::kProblem, "region", "somebody has written to a counter from outside",
          "find out which tool of this user writes to " + text_of(header.command) +
              "'s file; usage may be wrong until the process is started anew");
  }

  void look_at_helper(const Process& process) {
    if (process.stopped) {
      add(Level::kNote, "state", "the process is stopped", "kill -CONT, or end the debugger");
    } else if (process.answers) {
      add(Level::kGood, "helper", "a thread returns idle memory and serves requests", "");
    } else {
      add(Level::kNote, "helper",
          "no helper thread: requests are served when the process allocates",
          "TENURE_HELPER=on ('tenure run --helper on')");
    }
  }

  void look_at_tenants(const Process& process) {
    constexpr size_t kMostNamed = 5;
    size_t tight = 0, refused = 0, stalled = 0;
    for (size_t i = 1; i < process.tenants.size(); ++i) {
      const Tenant& tenant = process.tenants[i];
      const std::string path = path_of(process, i);
      if (tenant.max != kUnlimited && tenant.usage > tenant.max - tenant.max / 20 &&
          ++tight <= kMostNamed)
        add(Level::kNote, "limit",
            fmt::format("{} uses {} of its max {}", path, format_bytes(tenant.usage),
                        format_bytes(tenant.max)),
            fmt::format("tenure explain {} {}; tenure set {} {} max=...", facts_.pid, path,
                        facts_.pid, path));
      if (tenant.failures != 0 && ++refused <= kMostNamed)
        add(Level::kNote, "failures",
            fmt::format("{}: {} requests were refused", path, tenant.failures),
            fmt::format("tenure events {} {} --reports", facts_.pid, path));
      if (tenant.some.average[1] >= 500 && ++stalled <= kMostNamed)
        add(Level::kProblem, "stall",
            fmt::format("{}: threads wait for memory {}% of the time", path,
                        format_share(tenant.some.average[1])),
            "raise its max or high, or let it keep less");
    }
    if (tight + refused + stalled == 0)
      add(Level::kGood, "tenants", "none is near its limit, none was refused anything", "");
    if (const size_t most = std::max({tight, refused, stalled}); most > kMostNamed)
      add(Level::kNote, "tenants", fmt::format("{} more like these", most - kMostNamed),
          fmt::format("tenure ls {} --flat --sort full", facts_.pid));
  }

  const ProcFacts& facts_;
  const std::string environment_;
};

}  // namespace

std::vector<Finding> examine_process(int pid) {
  const auto facts = look_at_process(pid);
  if (!facts) throw Failure(fmt::format("there is no process {}", pid), kExitNotThere);
  if (geteuid() != 0 && facts->uid != geteuid())
    throw Failure(fmt::format("process {} ({}) belongs to another user", pid, facts->name),
                  kExitNotAllowed);
  Examination examination(*facts);
  if (examination.look_for_library()) {
    examination.look_at_sandbox();
    examination.look_at_region();
  }
  return std::move(examination.findings);
}

}  // namespace tenure::tool
