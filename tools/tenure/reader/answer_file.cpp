#include "tools/tenure/reader/answer_file.h"

#include <errno.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

namespace tenure::tool {
namespace {

std::string name_of_answer(const std::string& region, uint32_t place) {
  return fmt::format("{}{}-{}", live::kAnswerPrefix, region.substr(region.rfind('/') + 1), place);
}

Descriptor open_folder_of(const std::string& region) {
  const std::string folder = region.substr(0, region.rfind('/') + 1);
  return Descriptor(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

}  // namespace

std::string fetch_answer(const Region& region, uint32_t place, uint64_t bytes) {
  const std::string name = name_of_answer(region.path(), place);
  const Descriptor folder = open_folder_of(region.path());
  // O_NONBLOCK: a pipe in the place of the file must not hold the tool.
  const Descriptor file(
      openat(folder.get(), name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (file.get() < 0)
    throw Failure(fmt::format("the answer {} beside {}: {}", name, region.path(), strerror(errno)),
                  kExitUnreadable);
  unlinkat(folder.get(), name.c_str(), 0);
  struct stat status {};
  if (fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode) ||
      status.st_uid != region.header().uid || (status.st_mode & 0077) != 0)
    throw Failure(
        fmt::format("the answer {} beside {} is not its process's alone", name, region.path()),
        kExitNotAllowed);
  if (bytes > live::kMostAnswerBytes || static_cast<uint64_t>(status.st_size) != bytes)
    throw Failure(fmt::format("the answer {} beside {} has {} bytes, not {}", name, region.path(),
                              status.st_size, bytes),
                  kExitUnreadable);
  std::string content(bytes, '\0');
  if (!RegionBytes(file.get()).copy(0, content.data(), content.size()))
    throw Failure(fmt::format("the answer {} beside {} was cut short", name, region.path()),
                  kExitUnreadable);
  return content;
}

void remove_answers(const std::string& region) {
  const Descriptor folder = open_folder_of(region);
  if (folder.get() < 0) return;
  for (uint32_t place = 0; place < live::kRequests; ++place)
    unlinkat(folder.get(), name_of_answer(region, place).c_str(), 0);
}

}  // namespace tenure::tool
