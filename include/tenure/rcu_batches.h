/* Tenure: the batches behind tenure/rcu.h, which includes this file. Nothing here is for programs.
 *
 * Each CPU has an open batch: a block of pointers. Adding an object claims a place in the batch by one atomic addition, inside a read
 * section of the flavour. A full batch is sealed, and goes onto a stack of sealed batches. Each object has a full grace period,
 * although it shares the grace period with its batch. Proof:
 *
 *   The object was unpublished before its place was claimed. Sealing closes the count by an atomic operation on the same word. So each
 *   successful claim comes before the sealing, and the grace period of the batch starts after it. A thread that has claimed a place and
 *   has not yet written the pointer is in a read section that began before, so the grace period waits for the write, too. The same read
 *   section keeps the batch's memory valid for a thread that has loaded its address.
 *
 * Two parties free sealed batches. The ticker is a callback of call_rcu(). It is queued when a batch is opened, and again while any object
 * waits. Each time it frees the batches that it took the time before, seals all open batches, and takes the sealed ones. So no object waits
 * longer than two grace periods, even if no thread calls. The other party is a thread that finds more bytes waiting than the bound allows:
 * it takes the sealed batches, waits for a grace period itself, and frees.
 *
 * After a fork the child has all objects except those that other threads were freeing at that instant. The ticker lies in the queue of
 * call_rcu(), which liburcu hands down. The list that a helper waits with lies in a place where other threads find it. Marks of threads at
 * work hold the number of the process, so that marks of the parent's threads have no effect.
 */
#ifndef TENURE_RCU_BATCHES_H
#define TENURE_RCU_BATCHES_H

/* A C header. NOLINTBEGIN(modernize-*,readability-identifier-naming,performance-no-int-to-ptr,misc-definitions-in-headers) */

#include <tenure/rcu_flavor.h>
#include <tenure/tenure.h>

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __cplusplus
#include <sched.h>
#else
int sched_getcpu(void); /* <sched.h> has it for C with _GNU_SOURCE alone */
#endif

#define TENURE_RCU_LOCAL __attribute__((unused)) static
#define tenure_rcu_state TENURE_RCU_EXPAND(tenure_rcu_state_, TENURE_RCU_FLAVOR, )
/* The part that a program has once, however many of its files include the header. */
#define TENURE_RCU_SHARED __attribute__((weak, visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

#define TENURE_RCU_ENTRIES 506              /* A batch is 4 KiB */
#define TENURE_RCU_CLOSED 0x80000000u       /* In the count of a batch */
#define TENURE_RCU_BATCH_BYTES (256u << 10) /* A batch of more is sealed though it is not full */
#define TENURE_RCU_CACHE_WEIGHT 512         /* What an object of a cache counts as */
#define TENURE_RCU_HELPERS 4
#define TENURE_RCU_SLOTS 64

struct tenure_rcu_batch {
  struct tenure_rcu_batch* next; /* In a list of sealed ones; whose the list is */
  struct tenure_rcu_slot* slot;  /* Constant */
  /* Low half: places claimed, and TENURE_RCU_CLOSED. High half: bytes of the objects, in 16s. Atomic. */
  uint64_t claimed;
  size_t bytes;  /* Written by who seals, before the batch is published as sealed */
  unsigned used; /* The same */
  /* Blocks, or pairs of a cache (marked by its lowest bit) and an object of it. 0: claimed by a thread that a fork cut off. */
  uintptr_t entries[TENURE_RCU_ENTRIES];
};

/* The slot of a CPU. Another CPU may use it by accident, which does no harm. */
struct tenure_rcu_slot {
  struct tenure_rcu_batch* open; /* Atomic */
} __attribute__((aligned(64)));

struct tenure_rcu_helper {
  struct tenure_rcu_batch*
      list;    /* What waits for the owner's grace period; atomic: others may take it away */
  pid_t owner; /* The process of the thread at work, or 0; atomic */
} __attribute__((aligned(64)));

struct tenure_rcu_ticker {
  struct rcu_head head;
  struct tenure_rcu_batch* list; /* Sealed before the head was queued; the callback's alone */
};

struct tenure_rcu {
  struct tenure_rcu_slot slots[TENURE_RCU_SLOTS];
  struct tenure_rcu_helper helpers[TENURE_RCU_HELPERS];
  struct tenure_rcu_batch* sealed
      __attribute__((aligned(64))); /* A stack: one is pushed, all are taken. Atomic */
  size_t backlog;                   /* Bytes sealed and not yet free. Atomic */
  size_t bound;                     /* Atomic */
  pid_t ticking;                    /* The process whose ticker is queued, or 0. Atomic */
};

TENURE_RCU_SHARED struct tenure_rcu tenure_rcu_state = {{{0}}, {{0, 0}}, 0, 0, 4u << 20, 0};

#define tenure_rcu_of(pointer, type, member) ((type*)((char*)(pointer)-offsetof(type, member)))

TENURE_RCU_LOCAL size_t tenure_rcu_weight(void* block) { return malloc_usable_size(block); }

/* Memory for the header's own structures. If there are tenants, it is charged to none. */
TENURE_RCU_LOCAL void* tenure_rcu_memory(size_t size) {
  return tenure_available() ? tenure_malloc(tenure_root(), size) : malloc(size);
}

/* For calls of liburcu that allocate: in a full tenant they would end the process, and their threads would start inside the tenant. */
TENURE_RCU_LOCAL struct tenure_scope tenure_rcu_enter_root(void) {
  const struct tenure_scope nowhere = {0};
  return tenure_available() ? tenure_enter(tenure_root()) : nowhere;
}
TENURE_RCU_LOCAL void tenure_rcu_leave_root(struct tenure_scope outer) {
  if (tenure_available()) tenure_leave(outer);
}

/* ---- Freeing -------------------------------------------------------------------------------------------------------- */

TENURE_RCU_LOCAL void tenure_rcu_free_batch(struct tenure_rcu_batch* batch) {
  struct tenure_cache* cache = NULL;
  for (unsigned i = 0; i < batch->used; ++i) {
    const uintptr_t entry = batch->entries[i];
    if (i + 8 < batch->used) __builtin_prefetch((void*)(batch->entries[i + 8] & ~(uintptr_t)1), 1);
    if (entry & 1) {
      cache = (struct tenure_cache*)(entry & ~(uintptr_t)1);
    } else if (cache) {
      tenure_cache_free(cache, (void*)entry);
      cache = NULL;
    } else {
      free((void*)entry);
    }
  }
  /* relaxed: a figure. */
  __atomic_fetch_sub(&tenure_rcu_state.backlog, batch->bytes, __ATOMIC_RELAXED);
  free(batch);
}

TENURE_RCU_LOCAL void tenure_rcu_free_list(struct tenure_rcu_batch* list) {
  while (list) {
    struct tenure_rcu_batch* const next = list->next;
    tenure_rcu_free_batch(list);
    list = next;
  }
}

/* ---- Sealing -------------------------------------------------------------------------------------------------------- */

/* Takes the batch out of its slot, if it is still there, and puts it onto the stack. The caller is in a read section, or a callback. */
TENURE_RCU_LOCAL void tenure_rcu_seal(struct tenure_rcu_batch* batch) {
  struct tenure_rcu_batch* expected = batch;
  /* acq_rel: the thread that opened the batch has written its members. The next thread to open a batch sees this one removed. */
  if (!__atomic_compare_exchange_n(&batch->slot->open, &expected, (struct tenure_rcu_batch*)NULL, 0,
                                   __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
    return;
  /* acq_rel: pairs with the claims in tenure_rcu_add(), which come before. */
  const uint64_t claimed =
      __atomic_fetch_or(&batch->claimed, (uint64_t)TENURE_RCU_CLOSED, __ATOMIC_ACQ_REL);
  const uint32_t count = (uint32_t)claimed;
  batch->used = count < TENURE_RCU_ENTRIES ? count : TENURE_RCU_ENTRIES;
  batch->bytes = (size_t)(claimed >> 32) << 4;
  __atomic_fetch_add(&tenure_rcu_state.backlog, batch->bytes, __ATOMIC_RELAXED); /* A figure */
  struct tenure_rcu_batch* head = __atomic_load_n(&tenure_rcu_state.sealed, __ATOMIC_RELAXED);
  do {
    batch->next = head;
    /* release: pairs with tenure_rcu_take_sealed(). */
  } while (!__atomic_compare_exchange_n(&tenure_rcu_state.sealed, &head, batch, 1, __ATOMIC_RELEASE,
                                        __ATOMIC_RELAXED));
}

/* In a read section, or a callback. */
TENURE_RCU_LOCAL void tenure_rcu_seal_all(void) {
  for (unsigned i = 0; i < TENURE_RCU_SLOTS; ++i) {
    struct tenure_rcu_batch* const batch =
        __atomic_load_n(&tenure_rcu_state.slots[i].open, __ATOMIC_SEQ_CST);
    if (batch) tenure_rcu_seal(batch);
  }
}

TENURE_RCU_LOCAL struct tenure_rcu_batch* tenure_rcu_take_sealed(void) {
  /* acquire: pairs with tenure_rcu_seal(). */
  return __atomic_exchange_n(&tenure_rcu_state.sealed, (struct tenure_rcu_batch*)NULL,
                             __ATOMIC_ACQUIRE);
}

/* ---- The ticker ----------------------------------------------------------------------------------------------------- */

TENURE_RCU_LOCAL void tenure_rcu_tick(struct rcu_head* head);

/* Ensures that a ticker is queued. In a read section, or a callback. Without memory the next batch tries again. */
TENURE_RCU_LOCAL void tenure_rcu_start_ticker(void) {
  const pid_t self = getpid();
  /* seq_cst: the batch is in its slot before this load; tenure_rcu_tick() clears the mark before it looks at the slots again. */
  pid_t ticking = __atomic_load_n(&tenure_rcu_state.ticking, __ATOMIC_SEQ_CST);
  if (ticking == self) return;
  struct tenure_rcu_ticker* const ticker =
      (struct tenure_rcu_ticker*)tenure_rcu_memory(sizeof *ticker);
  if (!ticker) return;
  if (!__atomic_compare_exchange_n(&tenure_rcu_state.ticking, &ticking, self, 0, __ATOMIC_SEQ_CST,
                                   __ATOMIC_SEQ_CST)) {
    free(ticker);
    return;
  }
  ticker->list = NULL;
  const struct tenure_scope outer = tenure_rcu_enter_root();
  TENURE_RCU_NAME(_call_rcu)(&ticker->head, tenure_rcu_tick);
  tenure_rcu_leave_root(outer);
}

TENURE_RCU_LOCAL void tenure_rcu_tick(struct rcu_head* head) {
  struct tenure_rcu_ticker* const ticker = tenure_rcu_of(head, struct tenure_rcu_ticker, head);
  tenure_rcu_free_list(ticker->list);
  tenure_rcu_seal_all();
  ticker->list = tenure_rcu_take_sealed();
  if (ticker->list) {
    TENURE_RCU_NAME(_call_rcu)(&ticker->head, tenure_rcu_tick);
    return;
  }
  free(ticker);
  /* seq_cst, as in tenure_rcu_start_ticker(): a batch whose opener saw the mark is seen below. */
  __atomic_store_n(&tenure_rcu_state.ticking, 0, __ATOMIC_SEQ_CST);
  for (unsigned i = 0; i < TENURE_RCU_SLOTS; ++i)
    if (__atomic_load_n(&tenure_rcu_state.slots[i].open, __ATOMIC_SEQ_CST)) {
      tenure_rcu_start_ticker();
      return;
    }
  if (__atomic_load_n(&tenure_rcu_state.sealed, __ATOMIC_SEQ_CST)) tenure_rcu_start_ticker();
}

/* ---- Helping -------------------------------------------------------------------------------------------------------- */

/* A place for a list while its thread waits, or NULL. A list that a thread of a parent process left there is taken over. */
TENURE_RCU_LOCAL struct tenure_rcu_helper* tenure_rcu_helper_place(void) {
  const pid_t self = getpid();
  for (unsigned i = 0; i < TENURE_RCU_HELPERS; ++i) {
    struct tenure_rcu_helper* const helper = &tenure_rcu_state.helpers[i];
    pid_t owner = __atomic_load_n(&helper->owner, __ATOMIC_RELAXED);
    /* acquire: pairs with the release of the previous owner. */
    if (owner != self && __atomic_compare_exchange_n(&helper->owner, &owner, self, 0,
                                                     __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
      return helper;
  }
  return NULL;
}

/* Waits for a grace period and frees the batches that were sealed before. Outside of read sections. */
TENURE_RCU_LOCAL void tenure_rcu_help_once(void) {
  struct tenure_rcu_helper* const helper = tenure_rcu_helper_place();
  struct tenure_rcu_batch* list = NULL;
  if (helper) {
    /* The barrier waits for threads between the stack and the place, so this is a read section. */
    TENURE_RCU_NAME(_read_lock)();
    list = __atomic_load_n(&helper->list, __ATOMIC_ACQUIRE);
    if (!list) {
      list = tenure_rcu_take_sealed();
      __atomic_store_n(&helper->list, list, __ATOMIC_RELEASE);
    }
    TENURE_RCU_NAME(_read_unlock)();
  }
  /* Threads that find no place, or no batch, wait as well: that bounds the backlog. */
  TENURE_RCU_NAME(_synchronize_rcu)();
  if (!helper) return;
  TENURE_RCU_NAME(_read_lock)();
  /* acq_rel: with tenure_rcu_finish(), which may have taken the list. */
  list = __atomic_exchange_n(&helper->list, (struct tenure_rcu_batch*)NULL, __ATOMIC_ACQ_REL);
  tenure_rcu_free_list(list);
  TENURE_RCU_NAME(_read_unlock)();
  __atomic_store_n(&helper->owner, 0, __ATOMIC_RELEASE);
}

TENURE_RCU_LOCAL int tenure_rcu_too_much(void) {
  /* relaxed: figures. */
  return __atomic_load_n(&tenure_rcu_state.backlog, __ATOMIC_RELAXED) >
         __atomic_load_n(&tenure_rcu_state.bound, __ATOMIC_RELAXED);
}

/* Twice at most, because objects that a fork has cut off stay in the figure. The second time the thread's own batch is due. */
TENURE_RCU_LOCAL void tenure_rcu_help(void) {
  for (int i = 0; i < 2 && tenure_rcu_too_much(); ++i) tenure_rcu_help_once();
}

/* Whether the thread may wait for a grace period, as far as the flavour tells. qsbr does not tell: a thread that is online may be
 * reading. A thread that runs callbacks would wait for itself. */
TENURE_RCU_LOCAL int tenure_rcu_may_wait(void) {
  if (!TENURE_RCU_EXPAND(TENURE_RCU_KNOWS_, TENURE_RCU_FLAVOR, ) ||
      TENURE_RCU_NAME(_read_ongoing)())
    return 0;
  struct call_rcu_data* const worker = TENURE_RCU_NAME(_get_thread_call_rcu_data)();
  return !worker || !pthread_equal(TENURE_RCU_NAME(_get_call_rcu_thread)(worker), pthread_self());
}

/* ---- Adding --------------------------------------------------------------------------------------------------------- */

TENURE_RCU_LOCAL struct tenure_rcu_slot* tenure_rcu_slot_here(void) {
  const int cpu = sched_getcpu();
  return &tenure_rcu_state.slots[cpu < 0 ? 0 : (unsigned)cpu % TENURE_RCU_SLOTS];
}

/* The slot's open batch, perhaps one that another thread opened first. NULL: no memory. In a read section. */
TENURE_RCU_LOCAL struct tenure_rcu_batch* tenure_rcu_open(struct tenure_rcu_slot* slot) {
  struct tenure_rcu_batch* const batch = (struct tenure_rcu_batch*)tenure_rcu_memory(sizeof *batch);
  if (!batch) return NULL;
  memset(batch, 0, sizeof *batch);
  batch->slot = slot;
  struct tenure_rcu_batch* open = NULL;
  /* seq_cst: before the look at the ticker. */
  if (!__atomic_compare_exchange_n(&slot->open, &open, batch, 0, __ATOMIC_SEQ_CST,
                                   __ATOMIC_ACQUIRE)) {
    free(batch);
    return open;
  }
  tenure_rcu_start_ticker();
  return batch;
}

/* Adds the object to a batch. 0, 1 if a batch was sealed, or -ENOMEM. In a read section. */
TENURE_RCU_LOCAL int tenure_rcu_claim(struct tenure_cache* cache, void* object, size_t weight) {
  const uint32_t words = cache ? 2 : 1;
  const uint64_t units = weight < ((size_t)1 << 34) ? (weight + 15) >> 4 : (uint64_t)1 << 30;
  int sealed = 0;
  for (;;) {
    struct tenure_rcu_slot* const slot = tenure_rcu_slot_here();
    /* acquire: the batch's members. */
    struct tenure_rcu_batch* batch = __atomic_load_n(&slot->open, __ATOMIC_ACQUIRE);
    if (!batch) batch = tenure_rcu_open(slot);
    if (!batch) return -ENOMEM;
    /* acq_rel: pairs with tenure_rcu_seal(). The caller's steps that unpublished the object come before. */
    const uint64_t before =
        __atomic_fetch_add(&batch->claimed, (units << 32) | words, __ATOMIC_ACQ_REL);
    const uint32_t at = (uint32_t)before;
    const int mine = at < TENURE_RCU_ENTRIES && at + words <= TENURE_RCU_ENTRIES;
    if (mine) {
      /* Plain stores: the grace period separates them from the reads. */
      if (cache) batch->entries[at] = (uintptr_t)cache | 1;
      batch->entries[at + words - 1] = (uintptr_t)object;
    }
    if (!mine || at + words == TENURE_RCU_ENTRIES ||
        (before >> 32) + units >= TENURE_RCU_BATCH_BYTES >> 4) {
      tenure_rcu_seal(batch);
      sealed = 1;
    }
    if (mine) return sealed;
  }
}

TENURE_RCU_LOCAL int tenure_rcu_add(struct tenure_cache* cache, void* object, size_t weight,
                                    int wait) {
  TENURE_RCU_NAME(_read_lock)();
  const int result = tenure_rcu_claim(cache, object, weight);
  TENURE_RCU_NAME(_read_unlock)();
  if (__builtin_expect(result == 0, 1)) return 0;
  if (result > 0) {
    if (wait && tenure_rcu_too_much() && tenure_rcu_may_wait()) tenure_rcu_help_once();
    return 0;
  }
  if (!wait || !tenure_rcu_may_wait()) return -ENOMEM;
  TENURE_RCU_NAME(_synchronize_rcu)();
  if (cache) {
    tenure_cache_free(cache, object);
  } else {
    free(object);
  }
  return 0;
}

/* ---- The barrier ---------------------------------------------------------------------------------------------------- */

/* Objects that were added before are in an open batch, on the stack, with a helper, with the ticker, or on the way from the stack to a
 * helper or the ticker. The stack is taken before the helpers' places, because objects move in that direction only. The grace period in
 * between waits for helpers on the way, and for helpers that are freeing. */
TENURE_RCU_LOCAL void tenure_rcu_finish(void) {
  TENURE_RCU_NAME(_read_lock)();
  tenure_rcu_seal_all();
  TENURE_RCU_NAME(_read_unlock)();
  struct tenure_rcu_batch* const list = tenure_rcu_take_sealed();
  TENURE_RCU_NAME(_synchronize_rcu)();
  struct tenure_rcu_batch* taken[TENURE_RCU_HELPERS];
  for (unsigned i = 0; i < TENURE_RCU_HELPERS; ++i)
    taken[i] = __atomic_exchange_n(&tenure_rcu_state.helpers[i].list,
                                   (struct tenure_rcu_batch*)NULL, __ATOMIC_ACQ_REL);
  TENURE_RCU_NAME(_synchronize_rcu)();
  tenure_rcu_free_list(list);
  for (unsigned i = 0; i < TENURE_RCU_HELPERS; ++i) tenure_rcu_free_list(taken[i]);
  /* The ticker: the second barrier waits for a ticker that has taken the sealed batches and is about to queue itself. */
  const struct tenure_scope outer = tenure_rcu_enter_root();
  TENURE_RCU_NAME(_barrier)();
  TENURE_RCU_NAME(_barrier)();
  tenure_rcu_leave_root(outer);
}

#ifdef __cplusplus
}
#endif

/* NOLINTEND(modernize-*,readability-identifier-naming,performance-no-int-to-ptr,misc-definitions-in-headers) */
#endif
