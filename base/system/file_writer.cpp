#include "base/system/file_writer.h"

#include <errno.h>
#include <string.h>

#include "base/system/system_calls.h"

namespace tenure {

FileWriter& FileWriter::text(const char* s, size_t length) {
  while (length > 0) {
    if (size_ == sizeof buffer_) flush();
    const size_t room = sizeof buffer_ - size_, part = length < room ? length : room;
    memcpy(buffer_ + size_, s, part);
    size_ += part;
    s += part;
    length -= part;
  }
  return *this;
}

FileWriter& FileWriter::text(const char* s) { return text(s, strlen(s)); }

FileWriter& FileWriter::name(const char* s) {
  for (; *s != '\0'; ++s) text(static_cast<unsigned char>(*s) < ' ' ? "?" : s, 1);
  return text("\n", 1);
}

FileWriter& FileWriter::quoted(const char* s) {
  text("\"", 1);
  for (; *s != '\0'; ++s) {
    if (*s == '"' || *s == '\\') text("\\", 1);
    text(static_cast<unsigned char>(*s) < ' ' ? "?" : s, 1);
  }
  return text("\"", 1);
}

int FileWriter::end() {
  flush();
  return error_;
}

FileWriter& FileWriter::digits(uint64_t value, unsigned base) {
  char reversed[24];
  size_t count = 0;
  do {
    reversed[count++] = "0123456789abcdef"[value % base];
    value /= base;
  } while (value != 0);
  while (count > 0) text(&reversed[--count], 1);
  return *this;
}

void FileWriter::flush() {
  if (error_ == 0 && size_ > left_) error_ = -EFBIG;
  for (size_t done = 0; done < size_ && error_ == 0;) {
    const ssize_t written = sys::write(fd_, buffer_ + done, size_ - done);
    if (written > 0) {
      done += static_cast<size_t>(written);
      left_ -= static_cast<uint64_t>(written);
      written_ += static_cast<uint64_t>(written);
    } else if (written == 0 || errno != EINTR) {
      error_ = written == 0 ? -EIO : -errno;
    }
  }
  size_ = 0;
}

}  // namespace tenure
