#include "tools/tenure/rules/rule_share.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "tools/tenure/model/failure.h"

namespace fs = std::filesystem;

namespace tenure::tool {
namespace {

using rules::Share;

[[noreturn]] void fail(const std::string& what) { throw Failure(what + ": " + strerror(errno)); }

// A descriptor of the tool's own.
class Descriptor {
public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

private:
  const int fd_;
};

Share* map(int fd) {
  void* const p = mmap(nullptr, rules::kShareBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return p == MAP_FAILED ? nullptr : static_cast<Share*>(p);
}

// Into the half that is not valid; then it is. With the file locked, where others may write.
void publish(Share& share, const CompiledRules& rules) {
  const uint32_t next = share.generation.load(std::memory_order_relaxed) + 1;
  char* const image = reinterpret_cast<char*>(&share + 1) + (next & 1) * size_t{rules::kImageBytes};
  memcpy(image, rules.image.data(), rules.image.size() * sizeof rules.image[0]);
  // Release: the image. The readers' side is in rules/loaded.cpp.
  share.generation.store(next, std::memory_order_release);
}

int high_number() {
  rlimit limit{};
  constexpr rlim_t kMost = 1000;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > kMost + 24) return kMost;
  return limit.rlim_cur > 32 ? static_cast<int>(limit.rlim_cur) - 16 : 3;
}

bool is_share_link(const fs::path& link) {
  std::error_code error;
  const std::string target = fs::read_symlink(link, error);
  return !error && target.starts_with(std::string("/memfd:") + rules::kShareName);
}

fs::path find_share(int pid) {
  const fs::path folder = fmt::format("/proc/{}/fd", pid);
  std::error_code error;
  fs::directory_iterator entries(folder, error);
  if (error) throw Failure(fmt::format("process {}: {}", pid, error.message()));
  for (; entries != fs::directory_iterator(); entries.increment(error)) {
    if (error) break;
    if (is_share_link(entries->path())) return entries->path();
  }
  throw Failure(fmt::format(
      "process {} was not started with rules, or has closed them: start it by tenure run --rules",
      pid));
}

}  // namespace

std::string make_rule_share(const CompiledRules& rules) {
  const Descriptor file(memfd_create(rules::kShareName, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (file.get() < 0) fail("memfd_create");
  // Who may write is the owner alone, however the service's processes change their users.
  if (fchmod(file.get(), 0600) != 0 || ftruncate(file.get(), rules::kShareBytes) != 0)
    fail("memory file");
  Share* const share = map(file.get());
  if (share == nullptr) fail("mmap");
  memcpy(share->magic, rules::kMagic, sizeof share->magic);
  share->image_bytes = rules::kImageBytes;
  publish(*share, rules);
  munmap(share, rules::kShareBytes);
  // A reader of a file that shrinks would be killed.
  if (fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    fail("F_ADD_SEALS");
  const Descriptor reading(
      open(fmt::format("/proc/self/fd/{}", file.get()).c_str(), O_RDONLY | O_CLOEXEC));
  if (reading.get() < 0) fail("memory file");
  const int number = fcntl(reading.get(), F_DUPFD, high_number());
  if (number < 0) fail("F_DUPFD");
  return fmt::format("{}:{}", number, getpid());
}

void load_rules_into(int pid, const CompiledRules& rules) {
  const fs::path path = find_share(pid);
  const Descriptor file(open(path.c_str(), O_RDWR | O_CLOEXEC));
  struct stat status;
  if (file.get() < 0) fail(fmt::format("process {}", pid));
  if (fstat(file.get(), &status) != 0 || status.st_size != static_cast<off_t>(rules::kShareBytes))
    throw Failure(fmt::format("process {}: rules of another version of Tenure", pid));
  if (flock(file.get(), LOCK_EX) != 0) fail("flock");
  Share* const share = map(file.get());
  if (share == nullptr) fail("mmap");
  const bool is_ours = memcmp(share->magic, rules::kMagic, sizeof share->magic) == 0;
  if (is_ours) publish(*share, rules);
  munmap(share, rules::kShareBytes);
  if (!is_ours) throw Failure(fmt::format("process {}: rules of another version of Tenure", pid));
}

}  // namespace tenure::tool
