#include "live/answer_file.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <atomic>

#include "base/system/sandbox.h"
#include "base/system/system_calls.h"
#include "base/words/bits.h"
#include "live/layout.h"
#include "live/region.h"

namespace tenure::live {
namespace {

// A bit for each place whose file was made: its reader may have taken it away since. Relaxed: the one thread that serves changes it, and
// the end of the process reads it.
constinit std::atomic<uint32_t> made{0};
static_assert(kRequests <= 32);

uint32_t bit(uint32_t place) { return uint32_t{1} << place; }

}  // namespace

AnswerFile::AnswerFile(uint32_t place) : place_(place), fd_(-EPERM) {
  if (is_filtered()) return;
  made.fetch_or(bit(place), std::memory_order_relaxed);
  fd_ = make_answer_file(place);
}

AnswerFile::~AnswerFile() {
  if (fd_ >= 0) sys::close(fd_);
}

uint64_t AnswerFile::most_bytes() {
  rlimit limit;
  if (getrlimit(RLIMIT_FSIZE, &limit) != 0) return 0;
  return limit.rlim_cur < kMostAnswerBytes ? limit.rlim_cur : kMostAnswerBytes;
}

uint64_t AnswerFile::finish(int result) {
  struct stat about = {};
  if (fd_ < 0) return 0;
  if (result == 0 && fstat(fd_, &about) == 0) return static_cast<uint64_t>(about.st_size);
  forget_answer(place_);
  return 0;
}

void forget_answer(uint32_t place) {
  if ((made.fetch_and(~bit(place), std::memory_order_relaxed) & bit(place)) == 0) return;
  if (!is_filtered()) remove_answer_file(place);
}

void forget_answers() {
  for (uint32_t place = 0; place < kRequests; ++place) forget_answer(place);
}

void start_answers_anew() { made.store(0, std::memory_order_relaxed); }

}  // namespace tenure::live
