// pthread_create, so that threads created inside a durable tenant start inside it.
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <threads.h>

#include "allocator/bootstrap.h"
#include "allocator/current.h"
#include "base/attributes.h"
#include "base/os_memory.h"
#include "rcu/grace.h"

// Where a program is linked statically: the name that libc.a's pthread_create is weak beside. A weak reference takes nothing
// from an archive, so thrd_create is referred to as well, which needs it and is there in either libc.
extern "C" TENURE_WEAK decltype(pthread_create) static_pthread_create asm("__pthread_create");

namespace tenure {
namespace {

[[gnu::used]] constinit decltype(thrd_create)* const needs_create = &thrd_create;

using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);

// Found at the first call, by whoever comes: all find the same. Relaxed: a plain address.
constinit std::atomic<Create> real_create{nullptr};

Create find_real() {
  Create found = real_create.load(std::memory_order_relaxed);
  if (found == nullptr) {
    found = &static_pthread_create != nullptr
                ? &static_pthread_create
                : reinterpret_cast<Create>(dlsym(RTLD_NEXT, "pthread_create"));
    real_create.store(found, std::memory_order_relaxed);
  }
  return found;
}

// A thread's pin on the tenant it started in is given back when the thread ends, however it does.
constinit pthread_once_t key_once = PTHREAD_ONCE_INIT;
constinit pthread_key_t key;
constinit std::atomic<bool> key_made{false};

void leave_for_good(void* tenant) {
  leave(scope_of(root_tenant));  // What later destructors allocate is the root's.
  static_cast<Tenant*>(tenant)->unpin();
}
void make_key() {
  key_made.store(pthread_key_create(&key, leave_for_good) == 0, std::memory_order_release);
}

struct Start {
  void* (*routine)(void*);
  void* argument;
  Tenant* tenant;  // Pinned for the thread.
};

void* run(void* start) {
  const Start own = *static_cast<Start*>(start);
  meta_arena.destroy(static_cast<Start*>(start));
  if (pthread_setspecific(key, own.tenant) == 0) {
    enter(*own.tenant);
  } else {
    own.tenant->unpin();
  }
  return own.routine(own.argument);
}

// The tenant a thread created now starts in, pinned; nullptr: the root.
Tenant* inherited() {
  Tenant& current = current_tenant();
  if (!(current.flags.load(std::memory_order_relaxed) & kDurableTenant)) return nullptr;
  pthread_once(&key_once, make_key);
  if (!key_made.load(std::memory_order_acquire)) return nullptr;
  grace::ReadSection section;
  Tenant& tenant = current.nearest_online();
  return &tenant != &root_tenant && tenant.pin() ? &tenant : nullptr;
}

int create(Create real, pthread_t* thread, const pthread_attr_t* attributes,
           void* (*routine)(void*), void* argument) {
  Tenant* const tenant = inherited();
  // What libc keeps for threads (it caches stacks with their tables) is nobody's in particular.
  const ScopedTenant as_root(root_tenant);
  if (tenant == nullptr) return real(thread, attributes, routine, argument);
  auto* start = meta_arena.create<Start>(Start{routine, argument, tenant});
  const int error = start ? real(thread, attributes, run, start) : EAGAIN;
  if (error != 0) {
    if (start) meta_arena.destroy(start);
    tenant->unpin();
  }
  return error;
}

}  // namespace
}  // namespace tenure

TENURE_EXPORT int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                                 void* (*routine)(void*), void* argument) {
  const auto real = tenure::find_real();
  if (TENURE_UNLIKELY(real == nullptr)) return EAGAIN;
  // Without a tenant nothing is added.
  const auto create = [=] {
    return TENURE_LIKELY(tenure::current_scope.tenant == 0)
               ? real(thread, attributes, routine, argument)
               : tenure::create(real, thread, attributes, routine, argument);
  };
  const int error = create();
  // Another process may have set the limit (prlimit): then what the heap has reserved and does not use is in the way.
  if (TENURE_LIKELY(error != EAGAIN) || tenure::os::address_space_limit() == SIZE_MAX) return error;
  tenure::bound_heap();
  return create();
}
