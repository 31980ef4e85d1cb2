/* Tenure: the flavour of liburcu as the library's type-safe caches call it. tenure/rcu.h includes this file. Nothing here is for programs. */
#ifndef TENURE_RCU_READERS_H
#define TENURE_RCU_READERS_H

/* A C header. NOLINTBEGIN(modernize-*,readability-identifier-naming) */

#include <tenure/rcu_batches.h>

#ifdef __cplusplus
extern "C" {
#endif

/* In the library's memory. */
struct tenure_rcu_waiter {
  struct rcu_head head;
  void (*function)(void* head);
};
typedef char
    tenure_rcu_waiter_fits[sizeof(struct tenure_rcu_waiter) <= TENURE_READERS_HEAD ? 1 : -1];

TENURE_RCU_LOCAL void tenure_rcu_waited(struct rcu_head* head) {
  struct tenure_rcu_waiter* const waiter = tenure_rcu_of(head, struct tenure_rcu_waiter, head);
  waiter->function(waiter);
}

TENURE_RCU_LOCAL void tenure_rcu_call(void* head, void (*function)(void* head)) {
  struct tenure_rcu_waiter* const waiter = (struct tenure_rcu_waiter*)head;
  waiter->function = function;
  TENURE_RCU_NAME(_call_rcu)(&waiter->head, tenure_rcu_waited);
}

TENURE_RCU_LOCAL void tenure_rcu_wait_for_calls(void) { TENURE_RCU_NAME(_barrier)(); }
TENURE_RCU_LOCAL void tenure_rcu_register(void) { TENURE_RCU_NAME(_register_thread)(); }
TENURE_RCU_LOCAL void tenure_rcu_unregister(void) { TENURE_RCU_NAME(_unregister_thread)(); }

TENURE_RCU_LOCAL int tenure_rcu_create_cache(const char* name, size_t size, size_t alignment,
                                             unsigned flags, void (*constructor)(void* object),
                                             struct tenure_cache** cache) {
  struct tenure_readers readers;
  if (!(flags & TENURE_TYPESAFE_BY_RCU))
    return tenure_cache_create(name, size, alignment, flags, constructor, cache);
  readers.struct_size = sizeof readers;
  readers.call = tenure_rcu_call;
  readers.barrier = tenure_rcu_wait_for_calls;
  readers.register_thread = tenure_rcu_register;
  readers.unregister_thread = tenure_rcu_unregister;
  return tenure_cache_create_typesafe(name, size, alignment, flags, constructor, &readers, cache);
}

#ifdef __cplusplus
}
#endif

/* NOLINTEND(modernize-*,readability-identifier-naming) */
#endif
