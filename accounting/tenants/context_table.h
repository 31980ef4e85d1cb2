// The table of accounting contexts. All contexts lie in the table, so that a number of 32 bits names a context, and numbers stay small
// while few contexts are alive. Owner tags are such numbers, and the stocks of a CPU are indexed by them.
#pragma once

#include <atomic>
#include <cstdint>

#include "accounting/tenants/accounting_context.h"
#include "base/memory/os_memory.h"
#include "base/words/bits.h"
#include "base/words/tagged_stack.h"

namespace tenure {

class ContextTable {
public:
  constexpr ContextTable() = default;
  // Takes over reserved address space at bootstrap.
  void adopt(void* base, size_t bytes, bool mapped = true) {
    range_.adopt(base, bytes, 64 * kKiB, mapped);
  }
  // Of the address space: os::GrowingRange.
  void give_up_unused() { range_.give_up_unused(); }

  // A zeroed context, or nullptr if the table or the system's memory is exhausted. Under tenants_mutex.
  AccountingContext* allocate();
  // Releases a context that no thread can reach any more. Its place stays readable, because stale numbers lead to it. Lock-free.
  void release(AccountingContext* context);
  // When all but the first few contexts have gone, gives the table's memory back. Under tenants_mutex.
  void trim();

  // Numbers begin with 1: 0 names none.
  AccountingContext& at(uint32_t number) const { return base()[number]; }
  uint32_t number_of(const AccountingContext& context) const {
    return static_cast<uint32_t>(&context - base());
  }
  // All numbers ever given out are below this one. Acquire: pairs with allocate().
  uint32_t end() const { return next_.load(std::memory_order_acquire); }
  // Bytes of contexts that are in use, and of contexts that were in use since the table was last trimmed. Relaxed: statistics.
  size_t in_use() const {
    return in_use_.load(std::memory_order_relaxed) * sizeof(AccountingContext);
  }
  size_t resident() const {
    return next_.load(std::memory_order_relaxed) * sizeof(AccountingContext);
  }

private:
  // Links of free contexts lie in their first word.
  struct Links {
    static uint64_t load(uint64_t node);
    static void store(uint64_t node, uint64_t next);
  };
  AccountingContext* base() const { return reinterpret_cast<AccountingContext*>(range_.base()); }

  os::GrowingRange range_;
  std::atomic<uint32_t> next_{1};  // Written under tenants_mutex.
  // Raised before a context is handed out, and lowered when it is among the unused ones again.
  std::atomic<uint32_t> in_use_{0};
  TaggedStack<Links> unused_;
};

// The one instance.
extern constinit ContextTable context_table;

}  // namespace tenure
