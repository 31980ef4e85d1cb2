// A snapshot of a heap profile, as the library writes it (docs/profiling.md, "Snapshots"), and what its counts stand for.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tenure::tool {

struct ProfileMapping {
  uint64_t start = 0, end = 0, offset = 0;
  std::string build_id;  // In hexadecimal; empty: it has none.
  std::string file;
};

struct ProfileSite {
  uint32_t number = 0, stack = 0, tenant = 0;
  uint64_t size = 0, mean = 0;
  uint64_t allocated = 0, freed = 0;  // Sampled objects
  std::string thread;
  // Of its samples that live: how many, and the milliseconds since the first and the last.
  uint64_t live = 0, oldest_ms = 0, newest_ms = 0;

  // How many objects each sampled one stands for.
  double weight() const;
};

struct Snapshot {
  uint64_t time = 0, process = 0, mean = 0, lost = 0;
  std::vector<ProfileMapping> mappings;  // By address.
  struct Tenant {
    std::string path;
    bool departed = false;
  };
  std::map<uint32_t, Tenant> tenants;
  std::map<uint32_t, std::vector<uint64_t>> stacks;  // Where calls return to, the innermost first.
  std::vector<ProfileSite> sites;
};

// Throws Failure where the file cannot be read, or is none, or ends too early.
Snapshot read_snapshot(const std::string& file);
// The same of a snapshot's text; `name` is for messages.
Snapshot parse_snapshot(const std::string& text, const std::string& name);

// What one stack, tenant, thread and size has allocated and holds, as estimated.
struct ProfileRow {
  std::vector<uint64_t>
      frames;  // Addresses within Profile::mappings, the innermost first: of the calls themselves.
  std::string tenant, thread;
  bool departed = false;  // The tenant went offline before the snapshot.
  uint64_t size = 0;
  double allocated_objects = 0, allocated_bytes = 0, live_objects = 0, live_bytes = 0;
  uint64_t samples = 0, live_samples = 0, oldest_ms = 0, newest_ms = 0;
};

struct Profile {
  uint64_t time = 0, mean = 0, lost = 0;
  std::vector<ProfileMapping> mappings;
  std::vector<ProfileRow> rows;
};

// Of the tenant with this path and those below it; empty: of all.
Profile estimate(const Snapshot& snapshot, const std::string& tenant);
// What came between the two, which may be of two runs of a program.
Profile difference(const Profile& before, const Profile& after);
// The mapping that an address lies in, or nullptr.
const ProfileMapping* mapping_of(const Profile& profile, uint64_t address);

}  // namespace tenure::tool
