// Which tenant a thread is in: the semantics of entering and leaving, without the thread-local word
// itself, which belongs to the layer that also knows the tenant's front.
//
//   ScopeWord word;                          (thread-local; zero is the root, at any moment of a
//   thread's life) ScopeWord outer = enter(word, inner);    one store; nests to any depth
//   leave(word, outer);                      one store; strictly in reverse order
//
// The word holds no pin. Whoever enters has a handle (a pin) for at least as long as the scope;
// threads that inherit and captures take one of their own. A tenant that goes offline under a scope
// stays valid, and what is charged goes to its nearest online ancestor; nothing has to be told to
// the threads inside. A signal handler that enters and leaves is invisible to what it interrupted.
#pragma once

#include <cstdint>

#include "accounting/tenant.h"

namespace tenure {

struct ScopeWord {
  // The tenant, with kDurable in the lowest bit: one word, so that it changes in one store.
  uint64_t word = 0;

  // Inherited by threads created inside. Request scopes are not durable.
  static constexpr uint64_t kDurable = 1;

  static ScopeWord of(Tenant& tenant, bool durable) {
    if (&tenant == &root_tenant && !durable) return {};
    return {reinterpret_cast<uint64_t>(&tenant) | (durable ? kDurable : 0)};
  }
  // Never null.
  Tenant& tenant() const {
    auto* entered = reinterpret_cast<Tenant*>(word & ~kDurable);
    return entered ? *entered : root_tenant;
  }
  bool durable() const { return (word & kDurable) != 0; }
  friend bool operator==(const ScopeWord&, const ScopeWord&) = default;
};

// Returns what leave() needs.
inline ScopeWord enter(ScopeWord& current, ScopeWord next) {
  const ScopeWord outer = current;
  current = next;
  return outer;
}

inline void leave(ScopeWord& current, ScopeWord outer) { current = outer; }

// What a thread created now starts in. Pinned for it (unless the root); the thread gives the pin
// back with release_scope() when it ends. A tenant that is no longer online is replaced by its
// nearest ancestor that is.
inline ScopeWord inherit(ScopeWord current) {
  if (!current.durable()) return {};
  grace::ReadSection section;
  Tenant& tenant = current.tenant().nearest_online();
  if (&tenant == &root_tenant || !tenant.pin()) return {};
  return ScopeWord::of(tenant, true);
}

// The current scope for a task that runs later or elsewhere: pinned likewise.
inline ScopeWord capture(ScopeWord current) {
  if (&current.tenant() == &root_tenant || !current.tenant().pin()) return {};
  return current;
}

inline void release_scope(ScopeWord captured) {
  if (&captured.tenant() != &root_tenant) captured.tenant().unpin();
}

}  // namespace tenure
