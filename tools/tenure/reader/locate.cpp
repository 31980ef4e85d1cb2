#include "tools/tenure/reader/locate.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <set>

namespace tenure::tool {
namespace {

// The number that a region's file is named by, PID or PID.1 to PID.15; 0 for another name.
int pid_in_name(const std::string& path) {
  const std::string name = path.substr(path.rfind('/') + 1);
  int pid = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
  if (error != std::errc() || pid <= 0) return 0;
  const std::string_view rest(end, static_cast<size_t>(name.data() + name.size() - end));
  if (rest.empty()) return pid;
  const bool is_number = rest.size() >= 2 && rest.size() <= 3 && rest[0] == '.' &&
                         rest.find_first_not_of("0123456789", 1) == std::string_view::npos;
  return is_number ? pid : 0;
}

std::vector<std::string> entries_of(const std::string& folder) {
  std::vector<std::string> names;
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(opendir(folder.c_str()), closedir);
  while (stream != nullptr) {
    const dirent* const entry = readdir(stream.get());
    if (entry == nullptr) break;
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  return names;
}

// The folders in which this user's processes put their regions; for root, those of all users.
std::vector<std::string> usual_folders() {
  const auto variable = [](const char* name) {
    const char* const value = getenv(name);
    return std::string(value != nullptr && value[0] == '/' ? value : "");
  };
  std::set<std::string> folders;
  if (const std::string own = variable("TENURE_LIVE"); !own.empty()) folders.insert(own);
  if (const std::string run = variable("XDG_RUNTIME_DIR"); !run.empty())
    folders.insert(run + "/tenure");
  folders.insert("/tmp/tenure-" + std::to_string(geteuid()));
  if (geteuid() == 0) {
    folders.insert("/run/tenure");
    for (const std::string& user : entries_of("/run/user"))
      folders.insert("/run/user/" + user + "/tenure");
    for (const std::string& name : entries_of("/tmp")) {
      if (name.starts_with("tenure-") &&
          name.find_first_not_of("0123456789", 7) == std::string::npos)
        folders.insert("/tmp/" + name);
    }
  }
  return {folders.begin(), folders.end()};
}

// The user whose files lie in the folder. Nothing where it is none, or where others may have put something there.
std::optional<uint32_t> owner_of(const std::string& folder) {
  struct stat status;
  if (lstat(folder.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) return std::nullopt;
  if ((status.st_mode & 0022) != 0) return std::nullopt;
  if (geteuid() != 0 && status.st_uid != geteuid()) return std::nullopt;
  return status.st_uid;
}

std::string user_name(uint32_t uid) {
  const passwd* const entry = getpwuid(uid);
  return entry != nullptr ? entry->pw_name : std::to_string(uid);
}

// Whether the file begins as regions do.
bool has_magic(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  uint64_t magic = 0;
  return RegionBytes(file.get()).copy(offsetof(live::Header, magic), &magic, sizeof magic) &&
         magic == live::kMagic;
}

class Search {
public:
  explicit Search(Region::Access access) : access_(access) {}

  // `process`: the one through which the file was found, if it was.
  void look_at_file(const std::string& path, uint32_t uid,
                    const std::optional<ProcFacts>& process) {
    if (!paths_.insert(path).second) return;
    try {
      add(Region::open(path, uid, access_), process);
    } catch (const Failure& failure) {
      // A process that ended in the meantime has removed its file; one that begins has not finished it.
      if (failure.status == kExitNotThere || strstr(failure.what(), "is not ready yet") != nullptr)
        return;
      // Other programs map files that are named by numbers, too.
      if (process && !has_magic(path)) return;
      found.faults.emplace_back(failure.what());
      fault_status = failure.status;
    }
  }

  void look_into(const std::string& folder, int only = 0) {
    const std::optional<uint32_t> owner = owner_of(folder);
    if (!owner) return;
    for (const std::string& name : entries_of(folder)) {
      const int pid = pid_in_name(name);
      if (pid != 0 && (only == 0 || only == pid))
        look_at_file(folder + "/" + name, *owner, std::nullopt);
    }
  }

  void look_at_maps(const ProcFacts& process) {
    const std::string root = "/proc/" + std::to_string(process.pid) + "/root";
    for (const MappedFile& file : mapped_files(process.pid)) {
      const size_t name = file.path.rfind('/') + 1;
      if (file.path.compare(name, 5, ".new-") == 0)
        look_for_published(root + file.path.substr(0, name), process);
      else if (pid_in_name(file.path) == process.inner_pid)
        look_at_file(root + file.path, process.uid, process);
    }
  }

  Found found;
  int fault_status = kExitUnreadable;

private:
  // The library maps its file before it publishes the name: PID, or PID.1 to PID.15.
  void look_for_published(const std::string& folder, const ProcFacts& process) {
    for (unsigned number = 0; number < 16; ++number) {
      std::string path = folder + std::to_string(process.inner_pid);
      if (number != 0) path += "." + std::to_string(number);
      struct stat status;
      if (lstat(path.c_str(), &status) == 0) look_at_file(path, process.uid, process);
    }
  }
  void add(Region region, std::optional<ProcFacts> process) {
    if (!regions_.insert(region.identity()).second) return;
    if (process && !region.belongs_to(*process)) process.reset();
    if (!process) {
      // A file of another PID namespace is found again through its process, see find_all().
      static const uint64_t kOwnSpace = namespace_of(0, "pid");
      const bool foreign =
          region.header().pid_namespace != 0 && region.header().pid_namespace != kOwnSpace;
      if (!foreign) process = look_at_process(static_cast<int>(region.header().pid));
      if (process && !region.belongs_to(*process)) process.reset();
    }
    if (process) {
      if (region.is_held()) {
        found.living.push_back({std::move(region), process});
      } else {  // The process executes another program by now.
        found.ended.push_back({std::move(region), std::nullopt});
      }
    } else if (!region.is_held()) {
      found.ended.push_back({std::move(region), std::nullopt});
    } else {
      regions_.erase(region.identity());
      paths_.erase(region.path());
    }
  }

  const Region::Access access_;
  std::set<std::string> paths_;
  std::set<std::pair<uint64_t, uint64_t>> regions_;
};

bool by_pid(const Located& a, const Located& b) {
  return a.region.header().pid < b.region.header().pid;
}

}  // namespace

Found find_all() {
  Search search(Region::Access::kRead);
  for (const std::string& folder : usual_folders()) search.look_into(folder);
  std::set<int> known;
  for (const Located& located : search.found.living) known.insert(located.process->pid);
  for (const int pid : all_processes()) {
    if (known.contains(pid)) continue;
    struct stat status;
    const std::string folder = "/proc/" + std::to_string(pid);
    if (stat(folder.c_str(), &status) != 0) continue;
    if (geteuid() != 0 && status.st_uid != geteuid()) continue;
    const auto process = look_at_process(pid);
    if (process) search.look_at_maps(*process);
  }
  std::sort(search.found.living.begin(), search.found.living.end(), by_pid);
  std::sort(search.found.ended.begin(), search.found.ended.end(), by_pid);
  return std::move(search.found);
}

Located find_process(int pid, Region::Access access) {
  const auto process = look_at_process(pid);
  if (process && geteuid() != 0 && process->uid != geteuid())
    throw Failure(fmt::format("process {} ({}) belongs to {}: only that user and root may look",
                              pid, process->name, user_name(process->uid)),
                  kExitNotAllowed);
  Search search(access);
  if (process) search.look_at_maps(*process);
  for (const std::string& folder : usual_folders()) search.look_into(folder, pid);
  for (Located& located : search.found.living) {
    if (located.process->pid == pid) return std::move(located);
  }
  if (!search.found.faults.empty()) throw Failure(search.found.faults[0], search.fault_status);
  if (!process) {
    for (Located& located : search.found.ended) {
      if (located.region.header().pid == static_cast<uint32_t>(pid)) return std::move(located);
    }
    throw Failure(fmt::format("there is no process {}", pid), kExitNotThere);
  }
  throw Failure(fmt::format("process {} ({}) shows no tenants: it runs without Tenure, or without "
                            "TENURE_LIVE=on, which 'tenure run' sets; see tenure doctor {}",
                            pid, process->name, pid),
                kExitNotThere);
}

Located find_process(const std::string& text, Region::Access access) {
  int pid = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (error == std::errc() && end == text.data() + text.size()) {
    if (pid <= 0) throw Failure(text + " is no process's number");
    return find_process(pid, access);
  }
  if (text.find_first_not_of("-0123456789") == std::string::npos)
    throw Failure(text + " is no process's number");
  int only = 0;
  for (const Located& located : find_all().living) {
    if (located.process->name != text) continue;
    if (only != 0)
      throw Failure(
          fmt::format("{} processes and more are called {}: name one by its number", 2, text),
          kExitNotThere);
    only = located.process->pid;
  }
  if (only == 0) throw Failure("no process under Tenure is called " + text, kExitNotThere);
  return find_process(only, access);
}

}  // namespace tenure::tool
