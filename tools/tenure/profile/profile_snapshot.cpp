#include "tools/tenure/profile/profile_snapshot.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <tuple>

#include "tools/tenure/model/failure.h"

namespace tenure::tool {
namespace {

[[noreturn]] void fail(const std::string& file, const std::string& why) {
  throw Failure("profile: " + file + ": " + why);
}

// The rest of the line behind one blank.
std::string rest_of(std::istringstream& line) {
  std::string text;
  if (line.peek() == ' ') line.get();
  std::getline(line, text);
  return text;
}

using SitePlaces = std::map<uint32_t, size_t>;

bool read_mapping(Snapshot& snapshot, std::istringstream& line) {
  ProfileMapping mapping;
  line >> std::hex >> mapping.start >> mapping.end >> mapping.offset >> mapping.build_id;
  if (!line) return false;
  if (mapping.build_id == "-") mapping.build_id.clear();
  mapping.file = rest_of(line);
  snapshot.mappings.push_back(mapping);
  return true;
}

bool read_site(Snapshot& snapshot, SitePlaces& places, std::istringstream& line) {
  ProfileSite site;
  line >> site.number >> site.stack >> site.tenant >> site.size >> site.mean >> site.allocated >>
      site.freed;
  if (!line || site.size == 0 || site.mean == 0) return false;
  site.thread = rest_of(line);
  places[site.number] = snapshot.sites.size();
  snapshot.sites.push_back(site);
  return true;
}

bool read_live(Snapshot& snapshot, const SitePlaces& places, std::istringstream& line) {
  uint32_t number;
  uint64_t age, object;
  if (!(line >> number >> age >> std::hex >> object)) return false;
  const auto found = places.find(number);
  if (found == places.end()) return true;  // It has begun since the sites were written.
  ProfileSite& site = snapshot.sites[found->second];
  site.newest_ms = site.live == 0 ? age : std::min(site.newest_ms, age);
  site.oldest_ms = std::max(site.oldest_ms, age);
  ++site.live;
  return true;
}

bool read_line(Snapshot& snapshot, SitePlaces& places, const std::string& kind,
               std::istringstream& line) {
  if (kind == "time") return static_cast<bool>(line >> snapshot.time);
  if (kind == "process") return static_cast<bool>(line >> snapshot.process);
  if (kind == "mean") return static_cast<bool>(line >> snapshot.mean);
  if (kind == "lost") return static_cast<bool>(line >> snapshot.lost);
  if (kind == "mapping") return read_mapping(snapshot, line);
  if (kind == "site") return read_site(snapshot, places, line);
  if (kind == "live") return read_live(snapshot, places, line);
  uint32_t number;
  if (!(line >> number)) return false;
  if (kind == "tenant") {
    uint32_t id;
    std::string state;
    if (!(line >> id >> state) || (state != "online" && state != "gone")) return false;
    snapshot.tenants[number] = {rest_of(line), state == "gone"};
    return true;
  }
  if (kind != "stack") return false;
  auto& frames = snapshot.stacks[number];
  line >> std::hex;
  for (uint64_t frame; line >> frame;) frames.push_back(frame);
  return line.eof();
}

bool is_at_or_below(const std::string& path, const std::string& top) {
  return top.empty() || top == "/" || path == top || path.starts_with(top + "/");
}

}  // namespace

// A Poisson process of one point in `mean` bytes leaves out an object of `size` bytes with the probability exp(-size / mean).
double ProfileSite::weight() const {
  return -1 / std::expm1(-static_cast<double>(size) / static_cast<double>(mean));
}

static Snapshot read_stream(std::istream& stream, const std::string& file) {
  std::string text;
  if (!std::getline(stream, text) || text != "tenure-profile 1")
    fail(file, "is no snapshot of a profile of this version");
  Snapshot snapshot;
  SitePlaces places;
  for (size_t number = 2; std::getline(stream, text); ++number) {
    std::istringstream line(text);
    std::string kind;
    line >> kind;
    if (kind == "end") {
      std::sort(snapshot.mappings.begin(), snapshot.mappings.end(),
                [](const auto& a, const auto& b) { return a.start < b.start; });
      return snapshot;
    }
    if (!read_line(snapshot, places, kind, line))
      fail(file, "line " + std::to_string(number) + " is not understood");
  }
  fail(file, "ends too early");
}

Snapshot read_snapshot(const std::string& file) {
  std::ifstream stream(file);
  if (!stream) fail(file, "cannot be read");
  return read_stream(stream, file);
}

Snapshot parse_snapshot(const std::string& text, const std::string& name) {
  std::istringstream stream(text);
  return read_stream(stream, name);
}

Profile estimate(const Snapshot& snapshot, const std::string& tenant) {
  Profile profile{snapshot.time, snapshot.mean, snapshot.lost, snapshot.mappings, {}};
  for (const ProfileSite& site : snapshot.sites) {
    const auto found = snapshot.tenants.find(site.tenant);
    ProfileRow row;
    if (found == snapshot.tenants.end())
      continue;  // A site that has begun since the tenants were written.
    row.tenant = found->second.path;
    row.departed = found->second.departed;
    if (!is_at_or_below(row.tenant, tenant)) continue;
    if (const auto stack = snapshot.stacks.find(site.stack); stack != snapshot.stacks.end()) {
      // The call ends right before where it returns to.
      for (const uint64_t frame : stack->second) row.frames.push_back(frame - 1);
    }
    row.thread = site.thread;
    row.size = site.size;
    const double weight = site.weight(), size = static_cast<double>(site.size);
    const uint64_t live = site.allocated > site.freed ? site.allocated - site.freed : 0;
    row.samples = site.allocated;
    row.live_samples = live;
    row.allocated_objects = static_cast<double>(site.allocated) * weight;
    row.allocated_bytes = row.allocated_objects * size;
    row.live_objects = static_cast<double>(live) * weight;
    row.live_bytes = row.live_objects * size;
    row.oldest_ms = site.oldest_ms;
    row.newest_ms = site.newest_ms;
    profile.rows.push_back(row);
  }
  return profile;
}

const ProfileMapping* mapping_of(const Profile& profile, uint64_t address) {
  for (const ProfileMapping& mapping : profile.mappings) {
    if (address >= mapping.start && address < mapping.end) return &mapping;
  }
  return nullptr;
}

Profile difference(const Profile& before, const Profile& after) {
  Profile result = after;
  using Key = std::tuple<std::vector<uint64_t>, std::string, std::string, uint64_t>;
  std::map<Key, ProfileRow> rows;
  const auto at = [&rows](const ProfileRow& row, const std::vector<uint64_t>& frames) -> auto& {
    ProfileRow& sum = rows[{frames, row.tenant, row.thread, row.size}];
    sum.frames = frames;
    sum.tenant = row.tenant;
    sum.departed = row.departed;
    sum.thread = row.thread;
    sum.size = row.size;
    return sum;
  };
  for (const ProfileRow& row : after.rows) {
    ProfileRow& sum = at(row, row.frames);
    sum.samples += row.samples;
    sum.live_samples += row.live_samples;
    sum.allocated_objects += row.allocated_objects;
    sum.allocated_bytes += row.allocated_bytes;
    sum.live_objects += row.live_objects;
    sum.live_bytes += row.live_bytes;
    sum.oldest_ms = std::max(sum.oldest_ms, row.oldest_ms);
    sum.newest_ms = row.newest_ms;
  }
  // Where the same code lies in the later one.
  const auto moved = [&](uint64_t address) {
    const ProfileMapping* const from = mapping_of(before, address);
    if (from == nullptr) return address;
    for (const ProfileMapping& to : after.mappings) {
      if (to.file == from->file && to.build_id == from->build_id && to.offset == from->offset)
        return address - from->start + to.start;
    }
    return address;
  };
  for (const ProfileRow& row : before.rows) {
    std::vector<uint64_t> frames;
    for (const uint64_t frame : row.frames) frames.push_back(moved(frame));
    ProfileRow& sum = at(row, frames);
    sum.allocated_objects -= row.allocated_objects;
    sum.allocated_bytes -= row.allocated_bytes;
    sum.live_objects -= row.live_objects;
    sum.live_bytes -= row.live_bytes;
  }
  // Code that is not there any more.
  for (const ProfileMapping& mapping : before.mappings) {
    if (mapping_of(result, moved(mapping.start)) == nullptr) result.mappings.push_back(mapping);
  }
  result.rows.clear();
  for (auto& [key, row] : rows) {
    if (row.allocated_bytes != 0 || row.live_bytes != 0) result.rows.push_back(std::move(row));
  }
  return result;
}

}  // namespace tenure::tool
