#include "tools/tenure/reader/executable.h"

#include <elf.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <fstream>
#include <iterator>
#include <sstream>

namespace tenure::tool {
namespace {

std::string read_start(const std::string& file, size_t most) {
  std::ifstream stream(file, std::ios::binary);
  std::string text(most, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(most));
  text.resize(static_cast<size_t>(stream.gcount()));
  return text;
}

bool is_elf(const std::string& start) {
  return start.size() >= sizeof(Elf64_Ehdr) && memcmp(start.data(), ELFMAG, SELFMAG) == 0 &&
         start[EI_CLASS] == ELFCLASS64;
}

// Whether the program names a dynamic linker. What is not understood is taken for one that does.
bool is_static(const std::string& file) {
  const std::string start = read_start(file, 64 * 1024);
  if (!is_elf(start)) return false;
  Elf64_Ehdr header;
  memcpy(&header, start.data(), sizeof header);
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    const size_t at = header.e_phoff + i * sizeof segment;
    if (header.e_phentsize != sizeof segment || at + sizeof segment > start.size()) return false;
    memcpy(&segment, start.data() + at, sizeof segment);
    if (segment.p_type == PT_INTERP) return false;
  }
  return header.e_phnum != 0;
}

// Whether the kernel raises the privileges of whoever runs the program, and so has the dynamic linker ignore LD_PRELOAD.
bool raises_privileges(const std::string& file) {
  struct stat status;
  if (stat(file.c_str(), &status) != 0) return false;
  if ((status.st_mode & S_ISUID) != 0 && status.st_uid != getuid()) return true;
  if ((status.st_mode & S_ISGID) != 0 && (status.st_mode & S_IXGRP) != 0 &&
      status.st_gid != getgid())
    return true;
  return getuid() != 0 && getxattr(file.c_str(), "security.capability", nullptr, 0) > 0;
}

// The program that a script's first line names, or empty.
std::string interpreter_of(const std::string& file) {
  const std::string start = read_start(file, 256);
  if (!start.starts_with("#!")) return "";
  std::istringstream line(start.substr(2, start.find('\n') - 2));
  std::string program;
  line >> program;
  return program;
}

}  // namespace

std::string find_executable(const std::string& program) {
  if (program.find('/') != std::string::npos) return program;
  const char* const path = getenv("PATH");
  std::istringstream folders(path ? path : "/bin:/usr/bin");
  for (std::string folder; std::getline(folders, folder, ':');) {
    std::string file = (folder.empty() ? "." : folder) + "/" + program;
    if (access(file.c_str(), X_OK) == 0) return file;
  }
  return "";
}

std::string why_not_preloaded(const std::string& file) {
  std::string program = file;
  constexpr int kMostInterpreters = 4;  // The kernel's own limit.
  for (int i = 0; i < kMostInterpreters; ++i) {
    const std::string interpreter = interpreter_of(program);
    if (interpreter.empty()) break;
    program = interpreter;
  }
  if (is_static(program)) return program + " is linked statically";
  if (raises_privileges(program)) return program + " runs with raised privileges";
  return "";
}

bool is_tenure_library(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(stream)), {});
  // The version of the API's symbols, as the table of names has it.
  constexpr char kVersion[] = "\0TENURE_1.0";
  return is_elf(text) && text.find(std::string(kVersion, sizeof kVersion)) != std::string::npos;
}

}  // namespace tenure::tool
