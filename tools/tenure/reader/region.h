// The live region of one process: opened, checked, read again and again.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "tools/tenure/model/failure.h"
#include "tools/tenure/reader/proc.h"
#include "tools/tenure/reader/region_view.h"

namespace tenure::tool {

// A descriptor that is closed with its owner.
class Descriptor {
public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();
  int get() const { return fd_; }
  int release();

private:
  int fd_;
};

class Region {
public:
  enum class Access { kRead, kWrite };

  // Opens a file whose owner must be `uid`, that must be a regular file which nobody else may write to, and whose header must have
  // no fault. Throws a Failure whose text begins with the path.
  static Region open(const std::string& path, uint32_t uid, Access access);

  const std::string& path() const { return path_; }
  const live::Header& header() const { return header_; }
  int fd() const { return fd_.get(); }
  // Device and inode, as one number for comparisons in one run.
  std::pair<uint64_t, uint64_t> identity() const { return {device_, inode_}; }

  // Whether some process still has the file mapped: the owner, or a fork child that has charged nothing yet.
  bool is_held() const;
  // Whether `process` is the one that the header names.
  bool belongs_to(const ProcFacts& process) const;
  // Removes the file, if nobody holds it and the path still leads to it.
  bool remove_if_dead() const;

  // How many events there have been: cheap.
  uint64_t events_written() const;
  // A new copy of everything. `facts`: nothing for a process that has ended. Throws a Failure if the file has become unreadable.
  Process read(const std::optional<ProcFacts>& facts);

private:
  Region(Descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  void load_header();

  Descriptor fd_;
  std::string path_;
  uint64_t device_ = 0, inode_ = 0;
  live::Header header_{};
};

}  // namespace tenure::tool
