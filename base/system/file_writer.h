// Text into a file descriptor through a small buffer, without malloc and stdio: for snapshots that are longer than a LineBuffer.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tenure {

// The first error stays, and nothing is written after it. errno changes. Async-signal-safe.
class FileWriter {
public:
  // Writes at most `most` bytes. More is the error -EFBIG: a write beyond RLIMIT_FSIZE would be a signal.
  explicit FileWriter(int fd, uint64_t most = UINT64_MAX) : fd_(fd), left_(most) {}
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  FileWriter& text(const char* s, size_t length);
  FileWriter& text(const char* s);
  FileWriter& number(uint64_t value) { return digits(value, 10); }
  FileWriter& hex(uint64_t value) { return digits(value, 16); }
  // The rest of a line, and the line's end. Control characters of `s` become '?'.
  FileWriter& name(const char* s);
  // A JSON string. Control characters of `s` become '?'; bytes that are not UTF-8 stay.
  FileWriter& quoted(const char* s);

  // Writes the rest. 0, or the negative errno of the first write that failed.
  int end();
  // Bytes that have been written; all of them after end().
  uint64_t written() const { return written_; }

private:
  FileWriter& digits(uint64_t value, unsigned base);
  void flush();

  const int fd_;
  int error_ = 0;
  uint64_t left_;
  uint64_t written_ = 0;
  size_t size_ = 0;
  char buffer_[2048];
};

}  // namespace tenure
