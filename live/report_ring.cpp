#include "live/report_ring.h"

#include <atomic>

#include "base/system/clock.h"
#include "base/system/fence.h"
#include "live/event_ring.h"
#include "live/region.h"

namespace tenure::live {
namespace {

constinit std::atomic<uint64_t> written{0};

}  // namespace

ReportWriter::ReportWriter(uint32_t slot, uint32_t id) : slot_(slot), id_(id) {
  if (!is_open() || slot == kNoSlot) return;
  Report* const ring = reports();
  if (ring == nullptr) return;
  number_ = written.fetch_add(1, std::memory_order_relaxed);
  report_ = &ring[number_ % kReports];
  std::atomic_ref(report_->sequence).store(0, std::memory_order_relaxed);
  // Orders the 0 before what follows; pairs with the reader's loads.
  release_fence();
  report_->time_us = monotonic_us();
  report_->slot = slot;
  report_->generation = generation_of(slot);
}

ReportWriter::~ReportWriter() {
  if (report_ == nullptr) return;
  report_->length = length_;
  std::atomic_ref(report_->sequence).store(number_ + 1, std::memory_order_release);
  std::atomic_ref(header().reports_written).store(number_ + 1, std::memory_order_release);
  show_event(EventKind::kReport, slot_, id_, {0, 0, 0, number_});
}

void ReportWriter::add(const char* text, size_t length) {
  if (report_ == nullptr) return;
  const size_t room = sizeof report_->text - 1 - length_;
  if (length > room) length = room;
  __builtin_memcpy(report_->text + length_, text, length);
  length_ += static_cast<uint32_t>(length);
  report_->text[length_] = '\0';
}

void start_reports_anew() { written.store(0, std::memory_order_relaxed); }

}  // namespace tenure::live
