/*
 * Charge x offline x reparent x free x reaper, as in accounting/charge/charge.cpp, accounting_context.cpp and tenant_tree.cpp.
 *
 * Tenants: ROOT (0) <- P (1) <- T (2). T has a context. Threads charge T, hand the memory to any other thread, which
 * uncharges it; meanwhile T and then P go offline; contexts are reparented, dead ones reaped, tenants freed after grace periods.
 *
 * A step is atomic where the code has one atomic instruction, and only there. A charge of one byte stands for any.
 * Grace periods are those of rcu/grace.h as seen from outside: one ends when every section that was open at its start
 * has ended (snapshot of the readers' section numbers). That file's own proof covers how it finds out.
 *
 * A pooled object is such a charge, whose context stands in the slab's tag: written between the charge and the hand-over, read before
 * the uncharge's section, while the charge keeps the context. Not in the model: refusals and reclaim, lists of LRUs, and the allocator's
 * caches and heaps of departed tenants (their arguments: publish_cache(), lru_list.h, reaper.cpp; tests: stress).
 *
 * Checked: assertions (no use of a freed tenant or context, no counter or hold below zero, nothing freed twice or with charges left;
 * at the end: all usage zero, every context and tenant freed), no invalid end state (offline terminates).
 *
 * Mutants, each of which must be rejected, drop one step:
 *   NO_TENANT_GRACE     the tenant is freed without waiting for readers
 *   NO_CONTEXT_GRACE    the context is freed without waiting for readers
 *   NO_REPARENT_EARLIER offline moves only the tenant's own context, not those reparented to it before
 *   NO_TRYGET           a charge adds to a context without testing that it is alive
 *   UNCHARGE_OUTSIDE    an uncharge reads the tenant in one section and uses its counters in another
 *   MOVE_USAGE          offline empties the child's counter, as if that were needed
 */

#ifndef THREADS
#define THREADS 2
#endif

#define ROOT 0
#define P 1
#define T 2
#define TENANTS 3
#define CONTEXTS 3
#define NONE 255

/* A tenant's own context has its number. */
byte usage[TENANTS];
bool freed_tenant[TENANTS];
bool online[TENANTS];
byte own_context[TENANTS];   /* NONE once offline */
byte payer[CONTEXTS];        /* the context's tenant pointer */
byte word[CONTEXTS];         /* pins and held bytes */
bool dead[CONTEXTS];         /* on the dead stack or beyond */
bool reaped[CONTEXTS];       /* taken from the dead stack, waits for its grace period */
bool freed_context[CONTEXTS];

/* Sections: odd while one is open. */
byte section[THREADS];

/* Memory that has been charged and not uncharged: which context holds it. */
chan memory = [THREADS] of { byte };
bool offline_done;
bool tenants_mutex;

#define enter_section(me) section[me]++
#define leave_section(me) section[me]++

inline use_tenant(t) { assert(!freed_tenant[t]) }
inline use_context(c) { assert(!freed_context[c]) }

/* Counters from t to the root, one atomic step each. */
inline walk_charge(t) {
  level = t;
  do
  :: true ->
     atomic { use_tenant(level); usage[level]++ }
     if
     :: level == ROOT -> break
     :: else -> level--
     fi
  od
}

inline walk_uncharge(t) {
  level = t;
  do
  :: true ->
     atomic { use_tenant(level); assert(usage[level] > 0); usage[level]-- }
     if
     :: level == ROOT -> break
     :: else -> level--
     fi
  od
}

/* Takes one from the context's word; the one who takes the last lays it on the dead stack. */
inline drop(c) {
  atomic {
    use_context(c);
    assert(word[c] > 0);
    word[c]--;
    if
    :: word[c] == 0 -> assert(!dead[c]); dead[c] = true
    :: else
    fi
  }
}

/* Charges, hands the memory on, and frees what it gets. */
proctype Thread(byte me) {
  byte tenant, context, level, owner;
  bool taken;
  /* How it comes by the tenant: it finds it online, in the section. (A pin is another way; it only keeps more.) A section that
   * starts earlier or ends later than its first and last use only makes grace periods longer, so they are one step. */
  atomic {
    enter_section(me);
    if
    :: online[T] -> tenant = T
    :: !online[T] && online[P] -> tenant = P
    :: !online[T] && !online[P] -> tenant = ROOT
    fi
  }
  do
  :: true ->
     atomic { use_tenant(tenant); context = own_context[tenant] }
     taken = false;
     if
     :: context != NONE ->
        atomic {
          use_context(context);
#ifdef NO_TRYGET
          word[context]++; taken = true
#else
          if
          :: word[context] > 0 -> word[context]++; taken = true
          :: else
          fi
#endif
        }
     :: else
     fi;
     if
     :: taken -> break
     :: else -> assert(tenant != ROOT); tenant--   /* the parent; the root's context never dies */
     fi
  od;
  atomic { use_context(context); owner = payer[context] }
  walk_charge(owner);
  atomic { leave_section(me); memory ! context }
  memory ? context;   /* its own or another's */

  atomic { enter_section(me); use_context(context); owner = payer[context] }
#ifdef UNCHARGE_OUTSIDE
  leave_section(me);
  enter_section(me);
#endif
  walk_uncharge(owner);
  atomic { drop(context); leave_section(me) }
}

/* A grace period: every section open at the start has ended. */
inline snapshot() {
  atomic { i = 0; do :: i < THREADS -> seen[i] = section[i]; i++ :: else -> break od; i = 0 }
}

#define passed1(r) (seen[r] % 2 == 0 || section[r] != seen[r])
#if THREADS == 1
#define passed passed1(0)
#elif THREADS == 2
#define passed (passed1(0) && passed1(1))
#else
#define passed (passed1(0) && passed1(1) && passed1(2))
#endif

/* offline_tenant(): runs to its end without waiting for anybody. Repointing a context is one store each. */
inline offline(t) {
  atomic { !tenants_mutex -> tenants_mutex = true }
  online[t] = false;
  own_context[t] = NONE;
  c = 0;
  do
  :: c < CONTEXTS ->
     if
#ifdef NO_REPARENT_EARLIER
     :: c == t && !reaped[c] && payer[c] == t -> atomic { use_context(c); payer[c] = t - 1 }
#else
     :: !reaped[c] && payer[c] == t -> atomic { use_context(c); payer[c] = t - 1 }
#endif
     :: else
     fi;
     c++
  :: else -> break
  od;
  c = 0;
#ifdef MOVE_USAGE
  usage[t] = 0;
#endif
  drop(t);
  tenants_mutex = false
}

proctype Control() {
  byte c, i;
  byte seen[THREADS];
  offline(T);
#ifndef NO_TENANT_GRACE
  snapshot();
#endif
  /* P may go offline, and contexts be reaped, before T's grace period has passed. */
  offline(P);
  offline_done = true;
#ifndef NO_TENANT_GRACE
  passed;
#endif
  atomic { assert(!freed_tenant[T]); freed_tenant[T] = true }
#ifndef NO_TENANT_GRACE
  snapshot();
  passed;
#endif
  atomic { assert(!freed_tenant[P]); freed_tenant[P] = true }
}

inline release(r) {
#ifndef NO_CONTEXT_GRACE
  snapshot();
  passed;
#endif
  atomic { assert(!freed_context[r]); assert(word[r] == 0); freed_context[r] = true }
}

/* ContextList::reap() whenever tenants_mutex is free, and the deferred release. */
proctype Reaper() {
  byte i;
  byte seen[THREADS];
  do
  :: atomic { !tenants_mutex && dead[T] && !reaped[T] -> reaped[T] = true }
     release(T)
  :: atomic { !tenants_mutex && dead[P] && !reaped[P] -> reaped[P] = true }
     release(P)
  :: freed_context[T] && freed_context[P] -> break
  od
}

init {
  byte i;
  atomic {
    i = 0;
    do
    :: i < TENANTS ->
       online[i] = true; own_context[i] = i; payer[i] = i; word[i] = 1; i++
    :: else -> break
    od;
    i = 0;
    do :: i < THREADS -> run Thread(i); i++ :: else -> break od;
    run Control();
    run Reaper()
  }
  /* Everybody comes to an end, or this is an invalid end state. */
  _nr_pr == 1;
  assert(usage[ROOT] == 0);
  assert(word[ROOT] == 1);
  assert(freed_tenant[T] && freed_tenant[P]);
  assert(freed_context[T] && freed_context[P])
}

/* Offline terminates whatever the others do: it never waits for a section or a grace period. */
ltl offline_terminates { <> offline_done }
