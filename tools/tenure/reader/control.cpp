#include "tools/tenure/reader/control.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "base/system/fence.h"
#include "base/words/double_word.h"
#include "tools/tenure/reader/answer_file.h"

namespace tenure::tool {
namespace {

template <typename Enum>
constexpr uint32_t number_of(Enum value) {
  return static_cast<uint32_t>(value);
}

// The owner of the file has cut it short: there is no page any more where we looked.
void end_on_bus_error(int) {
  constexpr char kLine[] = "tenure: the live region was cut short by its process\n";
  if (write(STDERR_FILENO, kLine, sizeof kLine - 1) < 0) {
  }
  _exit(kExitUnreadable);
}

uint64_t monotonic_us() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000 + static_cast<uint64_t>(now.tv_nsec) / 1000;
}

template <typename T>
std::atomic_ref<T> shared(T& field) {
  return std::atomic_ref<T>(field);
}

// {usage, ~max} changes as one word, so that no charge that is under way is lost.
void store_max(live::TenantSlot& slot, uint64_t max) {
  auto& word = *reinterpret_cast<AtomicDoubleWord*>(&slot.usage);
  DoubleWord old = word.load();
  while (!word.compare_exchange(old, {old.value, ~max})) old = word.load();
}

void store_oom(live::TenantSlot& slot, const LimitChange& change) {
  const auto oom = shared(slot.oom);
  uint64_t old = oom.load(std::memory_order_relaxed);  // The compare-and-swap finds out.
  uint64_t changed = 0;
  do {
    changed = live::pack_oom(change.policy ? *change.policy : live::policy_of(old),
                             change.reserve ? *change.reserve : live::reserve_of(old));
  } while (!oom.compare_exchange_weak(old, changed, std::memory_order_acq_rel));
}

}  // namespace

RegionControl::RegionControl(const Region& region) : region_(region), header_(region.header()) {
  // The swap of 16 bytes must not cross a cache line, wherever a hostile header puts the tenants.
  if (header_.slots_at % 16 != 0 || header_.slot_bytes % 16 != 0)
    throw Failure(region.path() + " is damaged: its tenants are not aligned", kExitUnreadable);
  // All that is written lies in it: header_fault() has compared these ends with the file's size.
  length_ = std::max({uint64_t{sizeof(live::Header)},
                      header_.slots_at + uint64_t{header_.slots} * header_.slot_bytes,
                      header_.requests_at + uint64_t{header_.requests} * header_.request_bytes});
  void* const base = mmap(nullptr, length_, PROT_READ | PROT_WRITE, MAP_SHARED, region.fd(), 0);
  if (base == MAP_FAILED) throw Failure(region.path() + ": " + strerror(errno));
  base_ = static_cast<std::byte*>(base);
  struct sigaction action {};
  action.sa_handler = end_on_bus_error;
  sigaction(SIGBUS, &action, nullptr);
}

RegionControl::~RegionControl() { munmap(base_, length_); }

live::TenantSlot* RegionControl::slot_of(const Tenant& tenant) const {
  if (tenant.slot >= header_.slots) return nullptr;
  return reinterpret_cast<live::TenantSlot*>(base_ + header_.slots_at +
                                             uint64_t{tenant.slot} * header_.slot_bytes);
}

bool RegionControl::set(const Tenant& tenant, const LimitChange& change) {
  live::TenantSlot* const slot = slot_of(tenant);
  if (slot == nullptr) return false;
  // Acquire: pairs with the release by which the owner makes the generation odd, before it stores a successor's limits.
  const auto is_the_same = [&] {
    return shared(slot->generation).load(std::memory_order_acquire) == tenant.generation;
  };
  if (!is_the_same()) return false;
  // Relaxed stores: each limit stands for itself, and the owner takes it whenever it looks.
  if (change.min) shared(slot->min).store(*change.min, std::memory_order_relaxed);
  if (change.low) shared(slot->low).store(*change.low, std::memory_order_relaxed);
  if (change.high) shared(slot->high_complement).store(~*change.high, std::memory_order_relaxed);
  if (change.policy || change.reserve) store_oom(*slot, change);
  if (change.max) store_max(*slot, *change.max);
  // A successor stores limits of its own after the generation has become odd: ours did not reach it if this is the same.
  full_fence();
  return is_the_same();
}

live::Request* RegionControl::claim() {
  for (uint32_t i = 0; i < header_.requests; ++i) {
    auto* const request = reinterpret_cast<live::Request*>(base_ + header_.requests_at +
                                                           uint64_t{i} * header_.request_bytes);
    uint32_t unused = number_of(live::RequestState::kUnused);
    // Acquire: whoever used it before has read its answer.
    if (shared(request->state)
            .compare_exchange_strong(unused, number_of(live::RequestState::kWriting),
                                     std::memory_order_acquire))
      return request;
  }
  return nullptr;
}

void RegionControl::post(live::Request& request, live::RequestKind kind, const Tenant& tenant,
                         uint64_t argument, uint64_t deadline) {
  request.kind = number_of(kind);
  request.slot = tenant.slot;
  request.generation = tenant.generation;
  request.argument = argument;
  request.deadline_us = deadline;
  request.client_pid = static_cast<uint32_t>(getpid());
  request.result = 0;
  request.value = 0;
  request.text[0] = '\0';
  // Release: the owner reads the rest after it.
  shared(request.state).store(number_of(live::RequestState::kPosted), std::memory_order_release);
  auto& header = *reinterpret_cast<live::Header*>(base_);
  shared(header.doorbell).fetch_add(1, std::memory_order_release);
  syscall(SYS_futex, &header.doorbell, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

void RegionControl::tell(live::RequestKind kind) {
  // One at a time: a process that does not answer must keep room for requests that somebody waits for.
  for (uint32_t i = 0; i < header_.requests; ++i) {
    auto& other = *reinterpret_cast<live::Request*>(base_ + header_.requests_at +
                                                    uint64_t{i} * header_.request_bytes);
    if (shared(other.state).load(std::memory_order_acquire) !=
            number_of(live::RequestState::kUnused) &&
        shared(other.kind).load(std::memory_order_relaxed) == number_of(kind))
      return;
  }
  constexpr uint64_t kSecond = 1'000'000;
  live::Request* const request = claim();
  if (request != nullptr) post(*request, kind, Tenant(), 0, monotonic_us() + kSecond);
}

// Release: whoever uses the place next finds the answer read, and its file gone.
Answer RegionControl::take(live::Request& request, live::RequestKind kind) {
  Answer answer{request.result, request.value, ""};
  const auto place =
      static_cast<uint32_t>((reinterpret_cast<std::byte*>(&request) - base_ - header_.requests_at) /
                            header_.request_bytes);
  const auto release = [&request] {
    shared(request.state).store(number_of(live::RequestState::kUnused), std::memory_order_release);
  };
  try {
    if (answer.result == 0 && live::answers_with_file(kind))
      answer.file = fetch_answer(region_, place, answer.value);
  } catch (const Failure&) {
    release();
    throw;
  }
  release();
  return answer;
}

std::optional<Answer> RegionControl::ask(live::RequestKind kind, const Tenant& tenant,
                                         uint64_t argument, std::chrono::milliseconds patience) {
  live::Request* const request = claim();
  if (request == nullptr) return Answer{-EAGAIN, 0, ""};
  const auto patience_us = static_cast<uint64_t>(patience.count()) * 1000;
  const uint64_t deadline = monotonic_us() + patience_us;
  post(*request, kind, tenant, argument, deadline);
  const auto state = shared(request->state);

  // Polled: the owner wakes nobody but itself. What is being served already gets as long again.
  timespec pause{0, 200'000};
  for (;;) {
    if (state.load(std::memory_order_acquire) == number_of(live::RequestState::kAnswered)) {
      return take(*request, kind);
    }
    const uint64_t now = monotonic_us();
    uint32_t posted = number_of(live::RequestState::kPosted);
    if (now >= deadline &&
        state.compare_exchange_strong(posted, number_of(live::RequestState::kUnused)))
      return std::nullopt;
    if (now >= deadline + patience_us) return std::nullopt;
    nanosleep(&pause, nullptr);
    if (pause.tv_nsec < 10'000'000) pause.tv_nsec *= 2;
  }
}

void ask_for_look(const Region& region) {
  if (region.header().helper == 0) return;
  try {
    const Region writable =
        Region::open(region.path(), region.header().uid, Region::Access::kWrite);
    if (writable.identity() == region.identity())
      RegionControl(writable).tell(live::RequestKind::kLook);
  } catch (const Failure&) {
    return;  // The figures stay as they are.
  }
}

}  // namespace tenure::tool
