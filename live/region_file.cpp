#include "live/region_file.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/system/log.h"
#include "base/system/system_calls.h"
#include "live/layout.h"

namespace tenure::live {
namespace {

// Whether the folder, which is open, is the user's, and nobody else may put files there.
int check_folder(int fd) {
  struct stat about;
  if (fstat(fd, &about) != 0) return -errno;
  if (about.st_uid != geteuid() || (about.st_mode & (S_IWGRP | S_IWOTH)) != 0) return -EPERM;
  return 0;
}

// Nobody who has the file mapped lives any more.
bool is_left_behind(int folder, const char* name) {
  const int fd = sys::open_at(folder, name, O_RDWR | O_NONBLOCK);
  if (fd < 0) return errno == ENOENT;
  struct stat about;
  const bool left = fstat(fd, &about) == 0 && S_ISREG(about.st_mode) &&
                    flock(fd, LOCK_EX | LOCK_NB) == 0 && unlinkat(folder, name, 0) == 0;
  sys::close(fd);
  return left;
}

// Where a file may not become that long, its growth would be a signal.
bool may_be_long(uint64_t bytes) {
  rlimit limit;
  return getrlimit(RLIMIT_FSIZE, &limit) == 0 && bytes <= limit.rlim_cur;
}

void put(char* to, size_t size, const LineBuffer& text) {
  const size_t length = text.size() < size ? text.size() : size - 1;
  __builtin_memcpy(to, text.data(), length);
  to[length] = '\0';
}

}  // namespace

bool RegionFile::choose_folder(LiveMode mode) {
  if (mode == LiveMode::kOff) return false;
  LineBuffer text;
  const char* const runtime = getenv("XDG_RUNTIME_DIR");
  if (mode == LiveMode::kFolder) {
    text.text(live_folder);
  } else if (geteuid() == 0) {
    text.text("/run/tenure");
  } else if (runtime && runtime[0] == '/' && __builtin_strlen(runtime) < kLongestPath) {
    text.text(runtime).text("/tenure");
  } else {
    text.text("/tmp/tenure-").decimal(geteuid());
  }
  put(folder_, sizeof folder_, text);
  return true;
}

RegionFile::Name RegionFile::name_of(unsigned number, bool published) const {
  LineBuffer text;
  if (!published) text.text(".new-");
  text.decimal(pid_);
  if (number != 0) text.text(".").decimal(number);
  Name name;
  put(name.text, sizeof name.text, text);
  return name;
}

int RegionFile::open_folder() const {
  int fd = sys::open_at(AT_FDCWD, folder_, O_RDONLY | O_DIRECTORY);
  // Another process may be the one that makes it.
  if (fd < 0 && errno == ENOENT && (mkdir(folder_, 0700) == 0 || errno == EEXIST))
    fd = sys::open_at(AT_FDCWD, folder_, O_RDONLY | O_DIRECTORY);
  if (fd < 0) return -errno;
  const int wrong = check_folder(fd);
  if (wrong == 0) return fd;
  sys::close(fd);
  return wrong;
}

// A name that begins with a dot: nobody takes the file for a dead process's before it is locked.
int RegionFile::open_new(int folder) {
  int error = -EEXIST;
  for (number_ = 0; number_ < kNames; ++number_) {
    const Name name = name_of(number_, false);
    for (int attempt = 0; attempt < 2; ++attempt) {
      const int fd = sys::open_at(folder, name.text, O_RDWR | O_CREAT | O_EXCL, 0600);
      if (fd >= 0) return fd;
      error = -errno;
      if (error != -EEXIST) return error;
      if (!is_left_behind(folder, name.text)) break;
    }
  }
  return error;
}

int RegionFile::make(uint64_t bytes) {
  path_[0] = '\0';
  pid_ = static_cast<uint32_t>(getpid());
  if (!may_be_long(bytes)) return -EFBIG;
  const int folder = open_folder();
  if (folder < 0) return folder;
  int fd = open_new(folder);
  if (fd >= 0) {
    struct stat about;
    // The mode again: the program's umask may have taken the user's own rights.
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 || fchmod(fd, 0600) != 0 ||
        ftruncate(fd, static_cast<off_t>(bytes)) != 0 || fstat(fd, &about) != 0) {
      const int error = -errno;
      unlinkat(folder, name_of(number_, false).text, 0);
      sys::close(fd);
      fd = error;
    } else {
      inode_ = about.st_ino;
    }
  }
  sys::close(folder);
  return fd;
}

void RegionFile::abandon() {
  const int folder = open_folder();
  if (folder < 0) return;
  unlinkat(folder, name_of(number_, false).text, 0);
  sys::close(folder);
}

bool RegionFile::publish() {
  const int folder = open_folder();
  if (folder < 0) return false;
  const Name made = name_of(number_, false);
  bool named = false;
  for (unsigned number = 0; number < kNames && !named; ++number) {
    const Name name = name_of(number, true);
    for (int attempt = 0; attempt < 2 && !named; ++attempt) {
      named = linkat(folder, made.text, folder, name.text, 0) == 0;
      if (named) put(path_, sizeof path_, LineBuffer().text(folder_).text("/").text(name.text));
      if (!named && (errno != EEXIST || !is_left_behind(folder, name.text))) break;
    }
  }
  unlinkat(folder, made.text, 0);
  sys::close(folder);
  return named;
}

RegionFile::Name RegionFile::answer_name(unsigned place) const {
  const char* const slash = __builtin_strrchr(path_, '/');
  LineBuffer text;
  text.text(kAnswerPrefix).text(slash ? slash + 1 : "").text("-").decimal(place);
  Name name;
  put(name.text, sizeof name.text, text);
  return name;
}

int RegionFile::make_answer(unsigned place) const {
  if (path_[0] == '\0') return -ENOENT;
  const int folder = open_folder();
  if (folder < 0) return folder;
  const Name name = answer_name(place);
  unlinkat(folder, name.text, 0);
  int fd = sys::open_at(folder, name.text, O_WRONLY | O_CREAT | O_EXCL, 0600);
  if (fd < 0) {
    fd = -errno;
  } else if (fchmod(fd, 0600) != 0) {
    const int error = -errno;
    unlinkat(folder, name.text, 0);
    sys::close(fd);
    fd = error;
  }
  sys::close(folder);
  return fd;
}

void RegionFile::remove_answer(unsigned place) const {
  if (path_[0] == '\0') return;
  const int folder = open_folder();
  if (folder < 0) return;
  unlinkat(folder, answer_name(place).text, 0);
  sys::close(folder);
}

void RegionFile::remove() {
  if (path_[0] == '\0' || static_cast<uint32_t>(getpid()) != pid_) return;
  struct stat about;
  if (lstat(path_, &about) == 0 && about.st_ino == inode_) unlink(path_);
  path_[0] = '\0';
}

}  // namespace tenure::live
