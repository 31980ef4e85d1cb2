// Cgroups of a test's own: one whose files the test writes, and a real one.
#pragma once

#include <stddef.h>
#include <string>

namespace blackbox {

// In a child, before exec: where cgroups are mounted it sees a directory of files. Needs the right to mount.
void enter_fake_cgroup();
bool can_fake_cgroup();
// Writes one of these files, or removes it (nullptr).
void set_memory(const char* file, const char* text);

// A cgroup v2 below the mount's root with memory.high at `high` bytes, where the machine lets a test have one.
class RealCgroup {
public:
  explicit RealCgroup(size_t high);
  ~RealCgroup();
  RealCgroup(const RealCgroup&) = delete;
  RealCgroup& operator=(const RealCgroup&) = delete;

  bool made() const { return made_; }
  void enter() const;  // The calling process.

private:
  std::string path_;
  bool made_ = false;
};

}  // namespace blackbox
