// Another process's live region, as a tool reads it.
#pragma once

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <string>
#include <vector>

#include "base/words/double_word.h"
#include "live/layout.h"
#include "tests/blackbox/support/check.h"

// What needs no words.
#define NEED(condition) REQUIRE(condition, "%s", strerror(errno))

namespace blackbox {

namespace live = tenure::live;

class RegionReader {
public:
  explicit RegionReader(const std::string& path) : path_(path) {
    fd_ = open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    REQUIRE(fd_ >= 0, "no file %s", path.c_str());
    NEED(fstat(fd_, &about_) == 0);
    map(live::kSlotsAt);
    map(header().slots_at + uint64_t{header().slots} * header().slot_bytes);
  }
  RegionReader(const std::string& folder, pid_t pid)
      : RegionReader(folder + "/" + std::to_string(pid)) {}
  ~RegionReader() {
    munmap(base_, bytes_);
    close(fd_);
  }
  RegionReader(const RegionReader&) = delete;
  RegionReader& operator=(const RegionReader&) = delete;

  const std::string& path() const { return path_; }
  const struct stat& about() const { return about_; }
  // Whether the owner has gone.
  bool left_behind() const {
    if (flock(fd_, LOCK_SH | LOCK_NB) != 0) return false;
    flock(fd_, LOCK_UN);
    return true;
  }
  live::Header& header() const { return *reinterpret_cast<live::Header*>(base_); }
  live::TenantSlot& slot(uint32_t number) const {
    return reinterpret_cast<live::TenantSlot*>(base_ + header().slots_at)[number];
  }
  live::Request& request(uint32_t number) const {
    return reinterpret_cast<live::Request*>(base_ + header().requests_at)[number];
  }
  live::Event& event(uint64_t number) const {
    return reinterpret_cast<live::Event*>(base_ +
                                          header().events_at)[number % header().event_entries];
  }
  char* base() const { return base_; }

  // The online tenant of that name, or nullptr.
  live::TenantSlot* find(const std::string& name) const {
    for (uint32_t i = 0; i < header().used_slots; ++i) {
      live::TenantSlot& each = slot(i);
      if (each.generation % 2 == 0 && each.state == uint32_t(live::SlotState::kOnline) &&
          name == each.name)
        return &each;
    }
    return nullptr;
  }
  live::TenantSlot& at(const std::string& name) const {
    live::TenantSlot* const found = find(name);
    REQUIRE(found != nullptr, "no tenant %s", name.c_str());
    return *found;
  }

  // Posts a request; its number.
  uint32_t post(live::RequestKind kind, const live::TenantSlot* tenant, uint64_t argument,
                uint64_t deadline_us) const {
    uint32_t number = 0;
    for (;; ++number) {
      NEED(number < header().requests);
      uint32_t unused = uint32_t(live::RequestState::kUnused);
      if (std::atomic_ref(request(number).state)
              .compare_exchange_strong(unused, uint32_t(live::RequestState::kWriting)))
        break;
    }
    live::Request& posted = request(number);
    posted.kind = uint32_t(kind);
    posted.slot = tenant ? uint32_t(tenant - &slot(0)) : 0;
    posted.generation = tenant ? tenant->generation : 0;
    posted.argument = argument;
    posted.deadline_us = deadline_us;
    std::atomic_ref(posted.state).store(uint32_t(live::RequestState::kPosted));
    std::atomic_ref(header().doorbell).fetch_add(1);
    syscall(SYS_futex, &header().doorbell, FUTEX_WAKE, INT32_MAX, nullptr, nullptr, 0);
    return number;
  }
  bool answered(uint32_t number) const {
    return std::atomic_ref(request(number).state).load() == uint32_t(live::RequestState::kAnswered);
  }
  struct Answer {
    int result;
    uint64_t value;
  };
  // The answer of one that was answered.
  Answer take(uint32_t number) const {
    const Answer answer{request(number).result, request(number).value};
    std::atomic_ref(request(number).state).store(uint32_t(live::RequestState::kUnused));
    return answer;
  }
  // Asks, and waits for the answer; `meanwhile` runs between two looks.
  template <typename Fn>
  Answer ask(live::RequestKind kind, const live::TenantSlot* tenant, uint64_t argument,
             Fn meanwhile) const {
    const uint32_t number = post(kind, tenant, argument, UINT64_MAX - 100'000'000);
    while (!answered(number)) meanwhile();
    return take(number);
  }

  static void set_max(live::TenantSlot& slot, uint64_t max) {
    auto& word = reinterpret_cast<tenure::AtomicDoubleWord&>(slot);
    for (;;) {
      const tenure::DoubleWord seen = word.load();
      if (word.compare_exchange(seen, {seen.value, ~max})) return;
    }
  }

private:
  void map(uint64_t bytes) {
    if (base_) munmap(base_, bytes_);
    NEED(bytes <= uint64_t(about_.st_size));
    void* const p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    NEED(p != MAP_FAILED);
    base_ = static_cast<char*>(p);
    bytes_ = bytes;
  }

  std::string path_;
  int fd_ = -1;
  struct stat about_ = {};
  char* base_ = nullptr;
  size_t bytes_ = 0;
};

// A folder for regions, and what is in it.
class RegionFolder {
public:
  RegionFolder() {
    path_ = "/tmp/tenure-live-" + std::string(6, 'X');  // mkdtemp() replaces them.
    NEED(mkdtemp(path_.data()) != nullptr);
  }
  ~RegionFolder() {
    for (const std::string& name : names()) unlink((path_ + "/" + name).c_str());
    rmdir(path_.c_str());
  }
  RegionFolder(const RegionFolder&) = delete;
  RegionFolder& operator=(const RegionFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string variable() const { return "TENURE_LIVE=" + path_; }
  std::vector<std::string> names() const { return names_in(path_); }

  static std::vector<std::string> names_in(const std::string& path) {
    std::vector<std::string> found;
    DIR* const folder = opendir(path.c_str());
    NEED(folder != nullptr);
    while (const dirent* entry = readdir(folder)) {
      const std::string name = entry->d_name;
      if (name != "." && name != "..") found.push_back(name);
    }
    closedir(folder);
    return found;
  }

private:
  std::string path_;
};

}  // namespace blackbox
