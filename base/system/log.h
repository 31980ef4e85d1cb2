// Lines of text without malloc, stdio or locale. Usable before main, inside malloc, and after exit handlers.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tenure {

// Builds text in a fixed buffer. Text that does not fit is cut. Async-signal-safe.
class LineBuffer {
public:
  LineBuffer& text(const char* s);
  LineBuffer& text(const char* s, size_t length);
  LineBuffer& decimal(uint64_t value);
  LineBuffer& signed_decimal(int64_t value);
  LineBuffer& hex(uint64_t value);
  // Right-aligned in `width` columns.
  LineBuffer& column(uint64_t value, unsigned width);
  LineBuffer& column(const char* s, unsigned width);
  // value/1000 with one decimal, e.g. permille 123 as "12.3" (a percentage).
  LineBuffer& permille(uint64_t value, unsigned width);

  const char* data() const { return buffer_; }
  size_t size() const { return size_; }
  void clear() { size_ = 0; }
  // Writes the buffer to the file descriptor as a whole and clears it. errno is kept.
  void flush(int fd);

private:
  void pad(size_t length, unsigned width);
  size_t size_ = 0;
  char buffer_[512];
};

// "tenure: <message>\n" to stderr.
void log_line(const char* message);

}  // namespace tenure
