#include "live/request_box.h"

#include <errno.h>

#include "base/system/clock.h"
#include "base/system/system_calls.h"
#include "live/answer_file.h"
#include "live/region.h"

namespace tenure::live {
namespace {

// Acquire and release: each server finds what the one before it has done.
constinit std::atomic<bool> serving{false};
// The doorbell's count when all requests had been looked at.
constinit std::atomic<uint32_t> answered{0};

std::atomic_ref<uint32_t> doorbell() { return std::atomic_ref(header().doorbell); }
std::atomic_ref<uint32_t> state_of(Request& request) { return std::atomic_ref(request.state); }
uint32_t word(RequestState state) { return static_cast<uint32_t>(state); }

}  // namespace

constinit std::atomic<bool> region_opened{false};

bool doorbell_rang() {
  return is_open() && is_ours() &&
         doorbell().load(std::memory_order_acquire) != answered.load(std::memory_order_relaxed);
}

Serving::Serving() : mine_(is_open() && !serving.exchange(true, std::memory_order_acquire)) {
  if (mine_) rung_ = doorbell().load(std::memory_order_acquire);
}

Serving::~Serving() {
  if (!mine_) return;
  if (!left_) answered.store(rung_, std::memory_order_relaxed);
  serving.store(false, std::memory_order_release);
}

// Acquire: pairs with the release of who has posted.
const Request* Serving::next() {
  for (; place_ < kRequests; ++place_) {
    Request& request = requests()[place_];
    uint32_t posted = word(RequestState::kPosted);
    const uint64_t now = monotonic_us();
    const uint64_t deadline = std::atomic_ref(request.deadline_us).load(std::memory_order_relaxed);
    if (state_of(request).compare_exchange_strong(posted, word(RequestState::kServing),
                                                  std::memory_order_acq_rel)) {
      __builtin_memcpy(&copy_, &request, sizeof copy_);
      copy_.text[sizeof copy_.text - 1] = '\0';
      if (now <= deadline) return &copy_;
      answer(-ETIMEDOUT, 0);
    } else if (posted != word(RequestState::kUnused) && deadline != 0 &&
               now > deadline + 60'000'000) {
      // Who has asked has gone, or whoever served was cut off.
      forget_answer(place_);
      state_of(request).store(word(RequestState::kUnused), std::memory_order_release);
    }
  }
  return nullptr;
}

void Serving::answer(int result, uint64_t value) {
  Request& request = requests()[place_];
  std::atomic_ref(request.result).store(result, std::memory_order_relaxed);
  std::atomic_ref(request.value).store(value, std::memory_order_relaxed);
  state_of(request).store(word(RequestState::kAnswered), std::memory_order_release);
  sys::wake_shared(request.state);
  ++place_;
}

void Serving::leave() {
  state_of(requests()[place_]).store(word(RequestState::kPosted), std::memory_order_release);
  left_ = true;
  ++place_;
}

void start_requests_anew() {
  serving.store(false, std::memory_order_relaxed);
  answered.store(0, std::memory_order_relaxed);
}

uint32_t doorbell_word() { return doorbell().load(std::memory_order_seq_cst); }

void sleep_at_doorbell(uint32_t seen, uint32_t ms) {
  sys::wait_for_shared(header().doorbell, seen, ms);
}

// Not a request: who looks for one finds none.
void wake_from_doorbell() {
  doorbell().fetch_add(1, std::memory_order_seq_cst);
  sys::wake_shared(header().doorbell);
}

void show_helper(bool works) {
  if (is_open() && is_ours())
    std::atomic_ref(header().helper).store(works ? 1 : 0, std::memory_order_relaxed);
}

}  // namespace tenure::live
