// pthread_create, wrapped, so that threads created inside a durable tenant start inside it, and so that the helper thread lives as long as
// the program has threads.
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <threads.h>

#include "allocator/heap/bootstrap.h"
#include "allocator/slabs/arena.h"
#include "allocator/slabs/current.h"
#include "allocator/upkeep/helper.h"
#include "api/process/helper_thread.h"
#include "api/process/threads.h"
#include "base/memory/meta_arena.h"
#include "base/memory/os_memory.h"
#include "base/words/attributes.h"
#include "rcu/grace.h"

// For statically linked programs: the strong name beside which libc.a's pthread_create is weak. A weak reference takes no object from an
// archive. So the code also refers to thrd_create, which needs that name and exists in both forms of libc.
extern "C" TENURE_WEAK decltype(pthread_create) static_pthread_create asm("__pthread_create");

namespace tenure {
namespace {

[[gnu::used]] constinit decltype(thrd_create)* const needs_create = &thrd_create;

using Create = int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);

// Found at the first call, by any thread: all find the same. Relaxed: a plain address.
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

// The key's destructor runs at the end of a thread, however the thread ends. The thread gives back its pin on the tenant that it started
// in, and its place in the count.
constinit pthread_once_t key_once = PTHREAD_ONCE_INIT;
constinit pthread_key_t key;
constinit std::atomic<bool> key_made{false};

// The key's value: the tenant, or the root, and the kind of the thread.
constexpr uintptr_t kCounted = 1;
constexpr uintptr_t kMain = 2;
void* mark_for(const Tenant& tenant, uintptr_t what) {
  return reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(&tenant) | what);
}
Tenant& tenant_in(void* mark) {
  return *reinterpret_cast<Tenant*>(reinterpret_cast<uintptr_t>(mark) & ~(kCounted | kMain));
}
bool has(void* mark, uintptr_t what) { return reinterpret_cast<uintptr_t>(mark) & what; }

void leave_for_good(void* mark) {
  Tenant& tenant = tenant_in(mark);
  if (&tenant != &root_tenant) {
    leave(scope_of(root_tenant));  // Allocations of later destructors are charged to the root.
    tenant.unpin();
  }
  if (has(mark, kCounted)) uncount_thread();
  if (has(mark, kMain)) note_main_thread_gone();
}
void make_key() {
  key_made.store(pthread_key_create(&key, leave_for_good) == 0, std::memory_order_release);
}
bool have_key() {
  pthread_once(&key_once, make_key);
  return key_made.load(std::memory_order_acquire);
}

struct Start {
  void* (*routine)(void*);
  void* argument;
  Tenant* tenant;  // Pinned for the thread; or the root.
};

void* run(void* start) {
  const Start own = *static_cast<Start*>(start);
  meta_arena.destroy(static_cast<Start*>(start));
  const bool is_root = own.tenant == &root_tenant;
  if (pthread_setspecific(key, mark_for(*own.tenant, kCounted)) == 0) {
    if (!is_root) enter(*own.tenant);
  } else {
    if (!is_root) own.tenant->unpin();
    uncount_thread();
  }
  return own.routine(own.argument);
}

// The tenant in which a thread created now starts, pinned; or the root.
Tenant& inherited() {
  if (load_scope().tenant == 0) return root_tenant;
  Tenant& current = current_tenant();
  if (!(current.flags.load(std::memory_order_relaxed) & kDurableTenant)) return root_tenant;
  grace::ReadSection section;
  Tenant& tenant = current.nearest_online();
  return tenant.pin() ? tenant : root_tenant;
}

bool counts_threads() {
  return arena.settings.helper != static_cast<int64_t>(HelperMode::kOff) ||
         load_scope().tenant != 0;
}

int create(Create real, pthread_t* thread, const pthread_attr_t* attributes,
           void* (*routine)(void*), void* argument) {
  if (!counts_threads() || !note_main_thread()) return real(thread, attributes, routine, argument);
  Tenant& tenant = inherited();
  // Memory that libc keeps for threads (it caches stacks with their tables) belongs to no single tenant.
  const ScopedTenant as_root(root_tenant);
  auto* start = meta_arena.create<Start>(Start{routine, argument, &tenant});
  count_thread();
  const int error = start ? real(thread, attributes, run, start) : EAGAIN;
  if (error == 0) {
    start_helper();
    return 0;
  }
  uncount_thread();
  if (start) meta_arena.destroy(start);
  if (&tenant != &root_tenant) tenant.unpin();
  return error;
}

}  // namespace

int create_thread_of_ours(pthread_t* thread, const pthread_attr_t* attributes,
                          void* (*routine)(void*), void* argument) {
  const Create real = find_real();
  return real ? real(thread, attributes, routine, argument) : EAGAIN;
}

// A thread without a mark was not made here. Most programs have one such thread.
bool note_main_thread() {
  if (!have_key()) return false;
  if (pthread_getspecific(key) == nullptr) pthread_setspecific(key, mark_for(root_tenant, kMain));
  return true;
}

void count_threads_anew_after_fork() {
  if (!key_made.load(std::memory_order_acquire)) return;
  void* const mark = pthread_getspecific(key);
  void* const main = mark_for(mark ? tenant_in(mark) : root_tenant, kMain);
  if (mark != main) pthread_setspecific(key, main);
}

}  // namespace tenure

TENURE_EXPORT int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                                 void* (*routine)(void*), void* argument) {
  const auto real = tenure::find_real();
  if (TENURE_UNLIKELY(real == nullptr)) return EAGAIN;
  // For a child of _Fork() or clone, while it has one thread.
  tenure::ensure_own_counters();
  const int error = tenure::create(real, thread, attributes, routine, argument);
  // Another process may have set the limit (prlimit). In that case the heap's unused reservation is in the way.
  if (TENURE_LIKELY(error != EAGAIN) || tenure::os::address_space_limit() == SIZE_MAX) return error;
  tenure::bound_heap();
  return tenure::create(real, thread, attributes, routine, argument);
}
