// The file that answers a request: for answers that are longer than a number. docs/live.md, "Answers"
//
// Usage, in the thread that serves the request:
//   AnswerFile file(serving.place());
//   int result = file.error();
//   if (result == 0) result = write_it(file.fd(), file.most_bytes());
//   serving.answer(result, file.finish(result));
//
// The file lies in the region's folder. The library makes its name from the region's name and the request's place, and takes no name from
// the one who asks. Bare system calls: nothing here allocates. A process that may have a seccomp filter makes no file.
#pragma once

#include <cstdint>

namespace tenure::live {

class AnswerFile {
public:
  // Makes a new file for the request at `place`. A file of that name that nobody has fetched goes.
  explicit AnswerFile(uint32_t place);
  ~AnswerFile();
  AnswerFile(const AnswerFile&) = delete;
  AnswerFile& operator=(const AnswerFile&) = delete;

  // 0, or a negative errno: there is no file. -EPERM: the process may have a seccomp filter.
  int error() const { return fd_ < 0 ? fd_ : 0; }
  int fd() const { return fd_; }
  // More than that the file may not have.
  static uint64_t most_bytes();
  // The file is complete: its length, for Request::value. Where `result` is not 0 the file goes.
  uint64_t finish(int result);

private:
  const uint32_t place_;
  int fd_;
};

// Nobody fetches the answer to the request at `place` any more: its file goes, if it has one.
void forget_answer(uint32_t place);
// The process ends: all files of answers go.
void forget_answers();
// In a fork child's new region: the files are the parent's.
void start_answers_anew();

}  // namespace tenure::live
