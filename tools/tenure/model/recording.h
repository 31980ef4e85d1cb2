// Recordings: a file of lines, each the JSON of one sample. A line has of each process its facts, the events since the line before,
// the tenants that changed ("tenants") and the keys of those that went ("gone"); the first line has all.
#pragma once

#include <fstream>
#include <map>
#include <string>
#include <unordered_map>

#include "tools/tenure/model/json.h"
#include "tools/tenure/model/source.h"

namespace tenure::tool {

class RecordingWriter {
public:
  // Appends a line without its end to `out`.
  void write(Text& out, const Sample& sample);

private:
  struct Written {
    uint64_t start_time = 0;
    uint64_t next_event = 0;
    std::unordered_map<uint64_t, Tenant> tenants;  // As they were written last, by key.
  };
  static void write_process(Text& out, const Process& process, Written& written);

  std::map<int, Written> written_;
};

// Reads a recording. Throws a Failure that names the line where it is no recording.
class RecordingReader : public Source {
public:
  explicit RecordingReader(const std::string& path);
  bool next(Sample& sample) override;

private:
  struct Entry {
    Tenant tenant;
    std::string path;
  };
  struct State {
    uint64_t start_time = 0;
    std::vector<Entry> tenants;  // Parents before children, as they are written.
    std::vector<Event> events;
  };
  Process process_from(const nlohmann::json& json);
  static void apply(const nlohmann::json& json, State& state);
  static void put_tenants(const State& state, Process& process);

  const std::string path_;
  std::ifstream file_;
  size_t line_ = 0;
  std::map<int, State> states_;
};

}  // namespace tenure::tool
