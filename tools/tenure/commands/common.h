// Parts of several commands.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "tools/tenure/model/json.h"
#include "tools/tenure/reader/locate.h"

namespace tenure::tool {

// The process as it is now.
Process read_process(Located& located);
// The same, and asks for a look at the heap, so that the next reading has newer figures.
Process sample_process(Located& located);
Process read_process(const std::string& process);
// All that may be read now, and that are not among the ended; the files of the ended are removed. Files that cannot be read are told
// of on standard error, each once in the tool's life.
Sample read_all();

// The tenant with this path. Throws a Failure that names the nearest path.
size_t tenant_at(const Process& process, const std::string& path);
// The online tenants that the path, or the pattern, means; at least one.
std::vector<size_t> tenants_at(const Process& process, const std::string& pattern);

// To standard output, with nothing added.
void print(const std::string& text);
// Time of day, as "2026-11-28 00:04:54.123".
std::string format_time(int64_t time_ns);
int64_t realtime_ns();

// "500ms", "2s", "1.5", where a number alone counts seconds. Throws a Failure outside `least` to an hour.
std::chrono::milliseconds parse_interval(const std::string& text, std::chrono::milliseconds least);

}  // namespace tenure::tool
