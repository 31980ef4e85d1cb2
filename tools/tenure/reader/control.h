// Changes in another process's live region: limits, at once, and requests that its helper thread or its next slow step serves.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "tools/tenure/reader/region.h"

namespace tenure::tool {

// What `tenure set` changes; what is not given stays as it is.
struct LimitChange {
  std::optional<uint64_t> min, low, high, max, reserve;
  std::optional<uint32_t> policy;
};

struct Answer {
  int32_t result = 0;  // 0 or a negative errno.
  uint64_t value = 0;
  std::string
      file;  // The content of the file, for kinds that answer with one (live::answers_with_file()).
};

// Has the process look at its heap, if it has a helper thread, and does not wait for it: what a later reading shows is newer.
void ask_for_look(const Region& region);

// The file mapped for writing. A region that its owner cuts short meanwhile ends the tool with one line and kExitUnreadable.
class RegionControl {
public:
  // The region was opened for writing, and lives longer. Throws a Failure.
  explicit RegionControl(const Region& region);
  RegionControl(const RegionControl&) = delete;
  RegionControl& operator=(const RegionControl&) = delete;
  ~RegionControl();

  // Sets what is given. False where the tenant went meanwhile: nothing has changed for another one.
  bool set(const Tenant& tenant, const LimitChange& settings);
  // Posts a request and waits for its answer, and fetches the file that it answers with. Nothing where none came in time: the request is
  // withdrawn then, unless it is just being served. Throws a Failure where there is an answer and its file cannot be read.
  std::optional<Answer> ask(live::RequestKind kind, const Tenant& tenant, uint64_t argument,
                            std::chrono::milliseconds patience);
  // Posts a request whose answer nobody reads: the owner takes it back after a second.
  void tell(live::RequestKind kind);

private:
  live::TenantSlot* slot_of(const Tenant& tenant) const;
  live::Request* claim();
  Answer take(live::Request& request, live::RequestKind kind);
  void post(live::Request& request, live::RequestKind kind, const Tenant& tenant, uint64_t argument,
            uint64_t deadline);

  const Region& region_;
  const live::Header header_;  // Our copy: the one in the file may change under us.
  std::byte* base_ = nullptr;
  size_t length_ = 0;
};

}  // namespace tenure::tool
