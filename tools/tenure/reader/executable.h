// What can be seen of a file before it is run or preloaded.
#pragma once

#include <string>

namespace tenure::tool {

// The file that execvp() would run, or empty.
std::string find_executable(const std::string& program);
// Why the dynamic linker will preload nothing into this program, or empty. For scripts: into what the first line names.
std::string why_not_preloaded(const std::string& file);
// Whether the file is a shared library that exports Tenure's API.
bool is_tenure_library(const std::string& file);

}  // namespace tenure::tool
