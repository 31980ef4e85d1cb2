// The flavour of liburcu that a program of this folder is built for: FLAVOR_memb, _mb, _bp or _qsbr is defined.
#pragma once

#if defined(FLAVOR_memb)
#define URCU_API_MAP
#include <urcu/urcu-memb.h>
#elif defined(FLAVOR_mb)
#define URCU_API_MAP
#include <urcu/urcu-mb.h>
#elif defined(FLAVOR_bp)
#define URCU_API_MAP
#include <urcu/urcu-bp.h>
#elif defined(FLAVOR_qsbr)
#define URCU_API_MAP
#include <urcu/urcu-qsbr.h>
#endif

#include <tenure/rcu.h>

#include <pthread.h>

#include <cstdio>
#include <cstdlib>

#define CHECK(condition)                                                           \
  do {                                                                             \
    if (!(condition)) {                                                            \
      std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                \
    }                                                                              \
  } while (0)

// A thread of the flavour, for the scope of the object.
class Registered {
public:
  Registered() { rcu_register_thread(); }
  ~Registered() { rcu_unregister_thread(); }
  Registered(const Registered&) = delete;
  Registered& operator=(const Registered&) = delete;
};

// liburcu's functions around fork, as its documentation has them; by pthread_atfork(), which it discourages, since with other mallocs
// callbacks that free can hang there.
inline void install_fork_handlers() {
#if defined(FLAVOR_bp)
  pthread_atfork(
      [] {
        call_rcu_before_fork();
        urcu_bp_before_fork();
      },
      [] {
        urcu_bp_after_fork_parent();
        call_rcu_after_fork_parent();
      },
      [] {
        urcu_bp_after_fork_child();
        call_rcu_after_fork_child();
      });
#else
  pthread_atfork(call_rcu_before_fork, call_rcu_after_fork_parent, call_rcu_after_fork_child);
#endif
}
