#include "base/system/log.h"

#include <errno.h>
#include <unistd.h>

#include "base/system/system_calls.h"

namespace tenure {

LineBuffer& LineBuffer::text(const char* s, size_t length) {
  for (size_t i = 0; i < length && size_ < sizeof buffer_; ++i) buffer_[size_++] = s[i];
  return *this;
}

LineBuffer& LineBuffer::text(const char* s) { return text(s, __builtin_strlen(s)); }

LineBuffer& LineBuffer::decimal(uint64_t value) {
  char digits[20];
  size_t n = sizeof digits;
  do digits[--n] = static_cast<char>('0' + value % 10);
  while ((value /= 10) != 0);
  return text(digits + n, sizeof digits - n);
}

LineBuffer& LineBuffer::signed_decimal(int64_t value) {
  if (value < 0) text("-", 1);
  return decimal(value < 0 ? 0 - static_cast<uint64_t>(value) : static_cast<uint64_t>(value));
}

LineBuffer& LineBuffer::hex(uint64_t value) {
  char digits[16];
  size_t n = sizeof digits;
  do digits[--n] = "0123456789abcdef"[value & 15];
  while ((value >>= 4) != 0);
  return text("0x", 2).text(digits + n, sizeof digits - n);
}

void LineBuffer::pad(size_t length, unsigned width) {
  for (size_t i = length; i < width; ++i) text(" ", 1);
}

LineBuffer& LineBuffer::column(uint64_t value, unsigned width) {
  LineBuffer number;
  number.decimal(value);
  pad(number.size(), width);
  return text(number.data(), number.size());
}

LineBuffer& LineBuffer::column(const char* s, unsigned width) {
  pad(__builtin_strlen(s), width);
  return text(s);
}

LineBuffer& LineBuffer::permille(uint64_t value, unsigned width) {
  LineBuffer number;
  number.decimal(value / 10).text(".").decimal(value % 10);
  pad(number.size(), width);
  return text(number.data(), number.size());
}

void LineBuffer::flush(int fd) {
  const int saved = errno;
  size_t done = 0;
  while (done < size_) {
    const ssize_t n = sys::write(fd, buffer_ + done, size_ - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;  // Nothing can report the failure.
    done += static_cast<size_t>(n);
  }
  size_ = 0;
  errno = saved;
}

void log_line(const char* message) {
  LineBuffer line;
  line.text("tenure: ").text(message).text("\n").flush(STDERR_FILENO);
}

}  // namespace tenure
