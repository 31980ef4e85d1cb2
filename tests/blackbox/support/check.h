#pragma once

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tenure/tenure.h"

namespace blackbox {

// Exit status of a program that could not run its test here (no permission, no such feature).
inline constexpr int kSkipped = 77;
// Exit status of a failed requirement. Not an abort: SIGABRT is what the library itself answers with
// when it finds misuse, and the two must stay apart.
inline constexpr int kFailed = 99;

// Reports without malloc and without stdio, so it may be called from a signal handler, from the child
// of a fork and with the heap in ruins.
[[noreturn]] __attribute__((format(printf, 4, 5))) inline void
fail_at(const char* file, int line, const char* condition, const char* format, ...) {
  char text[512];
  int length = snprintf(text, sizeof text, "%s:%d: required: %s; ", file, line, condition);
  if (length > 0 && size_t(length) < sizeof text - 2) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + length, sizeof text - 1 - size_t(length), format, arguments);
    va_end(arguments);
  }
  size_t end = strlen(text);
  text[end] = '\n';  // in place of the terminator, for which there is always room
  const ssize_t written = write(STDERR_FILENO, text, end + 1);
  static_cast<void>(written);  // there is nobody else to tell
  _exit(kFailed);
}

#define REQUIRE(condition, ...)                                            \
  do {                                                                     \
    if (__builtin_expect(!(condition), 0))                                 \
      ::blackbox::fail_at(__FILE__, __LINE__, #condition, "" __VA_ARGS__); \
  } while (0)

// To be called while no other thread is inside malloc or free.
inline void require_valid_heap() { REQUIRE(tenure_validate() == 0, "the heap is inconsistent"); }

}  // namespace blackbox
