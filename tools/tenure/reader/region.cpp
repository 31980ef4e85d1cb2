#include "tools/tenure/reader/region.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <utility>

#include "tools/tenure/reader/answer_file.h"

namespace tenure::tool {

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

Descriptor::~Descriptor() {
  if (fd_ >= 0) close(fd_);
}

int Descriptor::release() { return std::exchange(fd_, -1); }

Region Region::open(const std::string& path, uint32_t uid, Access access) {
  // O_NONBLOCK: a pipe in the place of the file must not hold the tool.
  const int flags =
      (access == Access::kWrite ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  Region region(Descriptor(::open(path.c_str(), flags)), path);
  if (region.fd() < 0) {
    const int status = errno == EACCES || errno == EPERM ? kExitNotAllowed
                       : errno == ENOENT                 ? kExitNotThere
                                                         : kExitUnreadable;
    throw Failure(path + ": " + strerror(errno), status);
  }
  struct stat status;
  if (fstat(region.fd(), &status) != 0) throw Failure(path + ": " + strerror(errno));
  if (!S_ISREG(status.st_mode)) throw Failure(path + " is no regular file", kExitUnreadable);
  if (status.st_uid != uid || (status.st_mode & 0077) != 0)
    throw Failure(path + " is not its process's alone: it belongs to another user, or others may "
                         "read or write it",
                  kExitNotAllowed);
  region.device_ = status.st_dev;
  region.inode_ = status.st_ino;
  region.load_header();
  return region;
}

void Region::load_header() {
  const RegionBytes bytes(fd());
  live::Header header;
  if (!bytes.copy(0, &header, sizeof header))
    throw Failure(path_ + " is damaged or cut off: it has no header", kExitUnreadable);
  const std::string fault = header_fault(header, bytes.size());
  if (!fault.empty()) throw Failure(path_ + " " + fault, kExitUnreadable);
  header_ = header;
}

bool Region::is_held() const {
  if (flock(fd(), LOCK_SH | LOCK_NB) != 0) return errno == EWOULDBLOCK;
  flock(fd(), LOCK_UN);
  return false;
}

bool Region::belongs_to(const ProcFacts& process) const {
  if (header_.pid != static_cast<uint32_t>(process.inner_pid)) return false;
  if (header_.start_ticks != 0 && header_.start_ticks != process.start_ticks) return false;
  const std::string boot = text_of(header_.boot_id);
  if (!boot.empty() && boot != boot_id()) return false;
  const uint64_t space = header_.pid_namespace == 0 ? 0 : namespace_of(process.pid, "pid");
  return space == 0 || space == header_.pid_namespace;
}

bool Region::remove_if_dead() const {
  if (flock(fd(), LOCK_EX | LOCK_NB) != 0) return false;
  // With the lock held no process puts another file in its place: it takes this one for another's, and uses the next name.
  struct stat status;
  const bool same =
      stat(path_.c_str(), &status) == 0 && status.st_dev == device_ && status.st_ino == inode_;
  const bool removed = same && unlink(path_.c_str()) == 0;
  if (removed) remove_answers(path_);
  flock(fd(), LOCK_UN);
  return removed;
}

uint64_t Region::events_written() const {
  uint64_t written = 0;
  RegionBytes(fd()).copy(offsetof(live::Header, events_written), &written, sizeof written);
  return written;
}

Process Region::read(const std::optional<ProcFacts>& facts) {
  load_header();  // The file grows.
  Process process;
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  process.taken_ns = int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
  if (facts) {
    process.pid = facts->pid;
    process.uid = facts->uid;
    process.name = facts->name;
    process.command = facts->command;
    process.resident = facts->resident;
    process.stopped = facts->state == 'T' || facts->state == 't';
  } else {
    process.pid = static_cast<int>(header_.pid);
    process.uid = header_.uid;
    process.name = text_of(header_.command);
    process.command = text_of(header_.executable);
    process.ended = true;
  }
  process.start_time = header_.start_ticks;
  fill_in(RegionBytes(fd()), header_, process);
  if (process.tenants.empty())
    throw Failure(path_ + " is damaged: it has no root", kExitUnreadable);
  return process;
}

}  // namespace tenure::tool
