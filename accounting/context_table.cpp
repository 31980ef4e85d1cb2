#include "accounting/context_table.h"

#include <new>

#include "base/attributes.h"

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
    // Committed first and claimed after, so that a refusal leaves no hole.
    if (next_.compare_exchange_weak(fresh, fresh + 1, std::memory_order_acq_rel)) number = fresh;
  }
  in_use_.fetch_add(1, std::memory_order_relaxed);
  return new (&at(number)) AccountingContext;
}

void ContextTable::release(AccountingContext* context) {
  in_use_.fetch_sub(1, std::memory_order_relaxed);
  unused_.push(number_of(*context));
}

}  // namespace tenure
