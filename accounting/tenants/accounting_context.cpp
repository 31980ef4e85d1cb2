#include "accounting/tenants/accounting_context.h"

#include "accounting/tenants/context_table.h"
#include "accounting/tenants/tenant.h"
#include "base/system/check.h"
#include "base/words/atomic_update.h"

namespace tenure {
namespace {

// The thread that takes a context to zero pushes it. The stack is taken whole under tenants_mutex, so there is no ABA problem.
constinit std::atomic<DeferredItem*> dead_stack{nullptr};

}  // namespace

AccountingContext* AccountingContext::create(Tenant* tenant) {
  AccountingContext* const context = context_table.allocate();
  if (context == nullptr) return nullptr;
  const char* name = tenant->name();
  for (size_t i = 0; i + 1 < sizeof context->origin && name[i] != '\0'; ++i) {
    context->origin[i] = name[i];
  }
  context->origin_id_ = index_of(tenant->id());
  context->holds_slabs_ = is_isolated(*tenant);
  context->start(tenant);
  return context;
}

void AccountingContext::start(Tenant* tenant) {
  tenant_.store(tenant, std::memory_order_release);
  word_.store(HoldWord::kOnePin,
              std::memory_order_relaxed);  // Published with the tenant's pointer to it.
}

bool AccountingContext::hold(uint64_t bytes) {
  // Acquire-release: with drop() and unpin() of others; zero, once reached, is final.
  return atomic_update(word_,
                       [bytes](uint64_t word) -> std::optional<uint64_t> {
                         const HoldWord seen{word};
                         if (seen.dead() || seen.held() + bytes >= HoldWord::kOnePin)
                           return std::nullopt;
                         return word + bytes;
                       })
      .has_value();
}

bool AccountingContext::pin() {
  return atomic_update(word_,
                       [](uint64_t word) -> std::optional<uint64_t> {
                         const HoldWord seen{word};
                         if (seen.dead() || word > UINT64_MAX - HoldWord::kOnePin)
                           return std::nullopt;
                         return word + HoldWord::kOnePin;
                       })
      .has_value();
}

void AccountingContext::remove(uint64_t amount) {
  // Release: all use of the context comes before its end. Acquire: the thread that ends it has seen all that use.
  const uint64_t before = word_.fetch_sub(amount, std::memory_order_acq_rel);
  if (before < amount) fatal("accounting: context dropped more than it holds");
  if (before != amount) return;
  // Only one thread gets here for this context, because only creation leaves zero.
  DeferredItem* head = dead_stack.load(std::memory_order_relaxed);
  do {
    item.next = head;
    // Release: pairs with the exchange in reap().
  } while (!dead_stack.compare_exchange_weak(head, &item, std::memory_order_release,
                                             std::memory_order_relaxed));
}

void ContextList::add(AccountingContext& context) {
  context.previous_ = nullptr;
  context.next_ = first_;
  if (first_) first_->previous_ = &context;
  first_ = &context;  // The step that counts.
}

void ContextList::unlink(AccountingContext& context) {
  if (context.previous_) {
    context.previous_->next_ = context.next_;
  } else {
    first_ = context.next_;
  }
  if (context.next_) context.next_->previous_ = context.previous_;
}

void ContextList::reparent(ContextList& target, Tenant* to) {
  AccountingContext* last = nullptr;
  // The second condition is for a fork child, which may repeat the work after the lists were joined.
  for (AccountingContext* c = first_; c != nullptr && c != target.first_; c = c->next_) {
    // Release: pairs with tenant(). From here on charges and uncharges through the context go to
    // `to`; those that have read the old pointer finish in their read sections, at counters that
    // still exist (I2, I3).
    c->tenant_.store(to, std::memory_order_release);
    last = c;
  }
  if (last && target.first_ != first_) {
    last->next_ = target.first_;
    if (target.first_) target.first_->previous_ = last;
    target.first_ = first_;
  }
  first_ = nullptr;
}

void ContextList::release(AccountingContext& context) {
  deferred::defer(context.item, [](DeferredItem* item) {
    auto* bytes = reinterpret_cast<char*>(item) - __builtin_offsetof(AccountingContext, item);
    context_table.release(reinterpret_cast<AccountingContext*>(bytes));
  });
}

size_t ContextList::reap() {
  size_t count = 0;
  context_table.trim();
  // Acquire: pairs with the push in remove().
  DeferredItem* item = dead_stack.exchange(nullptr, std::memory_order_acquire);
  while (item != nullptr) {
    auto* context = reinterpret_cast<AccountingContext*>(
        reinterpret_cast<char*>(item) - __builtin_offsetof(AccountingContext, item));
    item = item->next;
    // The pointer is stable under tenants_mutex, and its tenant exists: a departing tenant hands on its list, including dead contexts.
    context->tenant()->contexts.unlink(*context);
    release(*context);
    ++count;
  }
  return count;
}

void ContextList::forget_dead() { dead_stack.store(nullptr, std::memory_order_relaxed); }

void ContextList::repair(Tenant* owner) {
  AccountingContext* previous = nullptr;
  for (AccountingContext* c = first_; c != nullptr;) {
    AccountingContext* next = c->next_;
    c->previous_ = previous;
    c->tenant_.store(owner, std::memory_order_release);
    if (c->hold_word().dead()) {
      unlink(*c);
      release(*c);
    } else {
      previous = c;
    }
    c = next;
  }
}

}  // namespace tenure
