#include "accounting/tenants/context_table.h"

#include <new>

#include "base/memory/os_memory.h"
#include "base/words/attributes.h"

namespace tenure {

constinit ContextTable context_table;

TENURE_STALE_READ uint64_t ContextTable::Links::load(uint64_t node) {
  return reinterpret_cast<std::atomic<uint64_t>*>(&context_table.at(static_cast<uint32_t>(node)))
      ->load(std::memory_order_relaxed);
}
void ContextTable::Links::store(uint64_t node, uint64_t next) {
  reinterpret_cast<std::atomic<uint64_t>*>(&context_table.at(static_cast<uint32_t>(node)))
      ->store(next, std::memory_order_relaxed);
}

AccountingContext* ContextTable::allocate() {
  auto number = static_cast<uint32_t>(unused_.pop());
  while (number == 0) {
    uint32_t fresh = next_.load(std::memory_order_acquire);
    if (!range_.ensure((size_t{fresh} + 1) * sizeof(AccountingContext))) return nullptr;
    // Memory is committed first and claimed afterwards, so that a refusal leaves no hole.
    if (next_.compare_exchange_weak(fresh, fresh + 1, std::memory_order_acq_rel)) number = fresh;
  }
  in_use_.fetch_add(1, std::memory_order_relaxed);
  return new (&at(number)) AccountingContext;
}

void ContextTable::release(AccountingContext* context) {
  unused_.push(number_of(*context));
  // Release: trim() finds contexts that are not counted any more among the unused ones.
  in_use_.fetch_sub(1, std::memory_order_release);
}

void ContextTable::trim() {
  // The root's has number 1, and stays.
  constexpr uint32_t kKept = 4096;
  const uint32_t end = next_.load(std::memory_order_relaxed);
  if (end <= kKept || in_use_.load(std::memory_order_acquire) > 1) return;
  while (unused_.pop() != 0) {
  }
  next_.store(2, std::memory_order_release);
  char* const start = range_.base() + kPageSize;
  os::purge(start, range_.base() + round_up(end * sizeof(AccountingContext), kPageSize) - start);
}

}  // namespace tenure
