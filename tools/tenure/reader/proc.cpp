#include "tools/tenure/reader/proc.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <sstream>

namespace tenure::tool {
namespace {

std::string proc_path(int pid, const char* file) {
  return "/proc/" + (pid == 0 ? std::string("self") : std::to_string(pid)) + "/" + file;
}

// The value of "Name:\t..." in /proc/PID/status.
std::string status_field(const std::string& status, const std::string& name) {
  const size_t start = status.find("\n" + name + ":\t");
  if (start == std::string::npos) return "";
  const size_t value = start + name.size() + 3;
  return status.substr(value, status.find('\n', value) - value);
}

// The number of bytes of the UTF-8 character at `at`; 0 where there is none.
size_t utf8_length(const std::string& text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xF0 && first < 0xF5   ? 4
                        : first >= 0xE0 && first < 0xF0 ? 3
                        : first >= 0xC2 && first < 0xE0 ? 2
                                                        : 0;
  if (length == 0 || at + length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(at + i) & 0xC0) != 0x80) return 0;
  }
  // Overlong forms, surrogates, and numbers beyond the last character.
  const unsigned char second = byte(at + 1);
  if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ||
      (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F))
    return 0;
  // Controls of ISO 8859-1 as UTF-8: terminals obey some.
  if (first == 0xC2 && second < 0xA0) return 0;
  return length;
}

}  // namespace

std::string read_text(const std::string& path, size_t most) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return "";
  std::string text;
  char buffer[16 * 1024];
  ssize_t n = 0;
  while (text.size() < most && (n = read(fd, buffer, sizeof buffer)) > 0)
    text.append(buffer, static_cast<size_t>(n));
  close(fd);
  if (text.size() > most) text.resize(most);
  return text;
}

std::string printable(const std::string& text) {
  std::string clean;
  for (size_t at = 0; at < text.size();) {
    const size_t length = utf8_length(text, at);
    const auto byte = static_cast<unsigned char>(text[at]);
    if (length == 0 || byte < 0x20 || byte == 0x7F) {
      clean += '?';
      ++at;
    } else {
      clean.append(text, at, length);
      at += length;
    }
  }
  return clean;
}

std::optional<ProcFacts> look_at_process(int pid) {
  const std::string stat = read_text(proc_path(pid, "stat"), 4096);
  // The name, in parentheses, may hold blanks and parentheses.
  const size_t open = stat.find('('), shut = stat.rfind(')');
  if (open == std::string::npos || shut == std::string::npos || shut < open) return std::nullopt;
  ProcFacts facts;
  facts.pid = pid;
  facts.name = printable(stat.substr(open + 1, shut - open - 1));
  std::istringstream fields(stat.substr(shut + 1));
  std::string field;
  fields >> facts.state;
  for (int number = 4; number <= 21; ++number) fields >> field;
  fields >> facts.start_ticks;
  if (!fields || facts.state == 'Z' || facts.state == 'X') return std::nullopt;

  const std::string status = read_text(proc_path(pid, "status"), 16 * 1024);
  std::istringstream uids(status_field(status, "Uid"));
  uint32_t real = 0;
  uids >> real >> facts.uid;
  facts.resident = strtoull(status_field(status, "VmRSS").c_str(), nullptr, 10) * 1024;
  facts.inner_pid = pid;
  std::istringstream pids(status_field(status, "NSpid"));
  for (int inner = 0; pids >> inner;) facts.inner_pid = inner;

  std::string command = read_text(proc_path(pid, "cmdline"), 4096);
  while (!command.empty() && command.back() == '\0') command.pop_back();
  for (char& c : command) {
    if (c == '\0') c = ' ';
  }
  facts.command = command.empty() ? "[" + facts.name + "]" : printable(command);
  return facts;
}

std::vector<int> all_processes() {
  std::vector<int> pids;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir("/proc"), closedir);
  while (folder != nullptr) {
    const dirent* const entry = readdir(folder.get());
    if (entry == nullptr) break;
    const int pid = atoi(entry->d_name);
    if (pid > 0) pids.push_back(pid);
  }
  return pids;
}

uint64_t namespace_of(int pid, const char* name) {
  struct stat status;
  const std::string path = proc_path(pid, "ns/") + name;
  return stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

const std::string& boot_id() {
  static const std::string kText = [] {
    const std::string text = read_text("/proc/sys/kernel/random/boot_id", 64);
    return text.substr(0, text.find('\n'));
  }();
  return kText;
}

std::vector<MappedFile> mapped_files(int pid) {
  std::vector<MappedFile> files;
  std::istringstream maps(read_text(proc_path(pid, "maps"), 64 << 20));
  for (std::string line; std::getline(maps, line);) {
    const size_t path = line.find('/');
    if (path == std::string::npos) continue;
    constexpr std::string_view kDeleted = " (deleted)";
    if (line.ends_with(kDeleted)) {
      if (line.find("/.new-", path) == std::string::npos) continue;
      line.resize(line.size() - kDeleted.size());
    }
    std::istringstream fields(line);
    std::string skipped;
    MappedFile file;
    fields >> skipped >> skipped >> skipped >> skipped >> file.inode;
    file.path = line.substr(path);
    if (files.empty() || files.back().inode != file.inode) files.push_back(file);
  }
  return files;
}

}  // namespace tenure::tool
