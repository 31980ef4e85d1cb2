/*
 * Stocks of bytes x drainers x offline x reuse of the context's number, as in allocator/fronts/charge_stock.cpp, stock_drain.cpp, pool_path.h.
 *
 * One number of the table of contexts: first the context of tenant OLD, then, once that is dead, of tenant NEW. Each CPU has a word
 * for the number. Workers allocate for OLD and free; a drainer takes all stocks back, as whoever is refused does; OLD goes offline; the
 * number goes to NEW, which puts up a stock and goes offline, too.
 *
 * A step is atomic where the code has one atomic instruction. A restartable section is two steps, load and commit, and the commit fails if a
 * fence, or another thread on that CPU, came between. A thread may be on another CPU for each section. One byte stands for an object
 * of any size. Memory is sequentially consistent: a missing store-load fence shows as the two steps in the other order.
 *
 * Not in the model: counters and reparenting (tenants.pml), limits, the way by which a drainer takes the words of its own CPU (a section
 * like any other) and those of threads without sections (one atomic instruction).
 *
 * Checked, at every step: the context holds what objects, stocks, and threads on their way to uncharge make up; a stopped word stands for the
 * bytes it has replaced. When OLD's allocation passes its second look, OLD's context has paid. When the number goes to NEW, no
 * word is open. At the end: nothing is held, every word is closed, and everybody comes to an end.
 *
 * Mutants, each of which must be rejected:
 *   NO_FENCE              a drainer closes what it has stopped without a fence
 *   TAKE_ALTHOUGH_LOST    a drainer takes the bytes of a word that a section has committed over
 *   NO_RETRY              a drainer leaves a word that a section has committed over
 *   RETRY_FILLED_ONLY     a drainer leaves such a word open where it has no bytes, though offline has left it to that drainer
 *   NO_SECOND_LOOK        an allocation does not look at the tenant's tag after it took bytes
 *   KEEP_STALE            an allocation whose second look fails does not give the bytes back
 *   LOOK_BEFORE_OPENING   who opens a stock looks at the tenant before, not after
 *   CLOSE_BEFORE_DYING    offline closes the stocks before it marks the tenant
 *   LEAVE_STOCKS          offline does not close the stocks
 *   NO_GRACE              the number is reused without waiting for readers
 *   DRAIN_OUTSIDE         drainers are in no read section
 *   COMMIT_AFTER_ABORT    an aborted section commits
 *   DRAIN_WITH_ONE_NUMBER drainers stop words with the same word
 */

/* Checked with one worker on two CPUs, and with two on one. */
#ifndef WORKERS
#define WORKERS 1
#endif
#define CPUS (3 - WORKERS)
#define MOST_CPUS 2
#define NOBODY 255

/* Workers have the numbers 0 and 1; then come the drainer, and offline. Each stops words with a word of its own. */
#define DRAINER 2
#define OFFLINE 3
#define ALL 4

/* The word: closed; stopped by one of them; open with some bytes. */
#define CLOSED 0
#ifdef DRAIN_WITH_ONE_NUMBER
#define STOPPED(d) 1
#else
#define STOPPED(d) (1 + (d))
#endif
#define OPEN(have) (1 + ALL + (have))
#define is_open(w) ((w) > ALL)
#define have(w) ((w) - 1 - ALL)
#define CAPACITY 2

byte word[MOST_CPUS];
byte section[MOST_CPUS];     /* Whose section on the CPU may still commit. */
byte held, pins;        /* Of the number's context */
bool is_new;            /* Whose context the number names. */
bool dead;              /* Nothing was held any more: the number waits for reuse. */
bool online = true;     /* OLD's state, context and tag. */
bool has_context = true;
bool has_tag = true;
byte readers;

/* For the assertions: bytes of objects, and of threads that are about to uncharge them; what a stopped word has replaced. */
byte objects, leaving;
byte replaced[MOST_CPUS];

#define in_word(c) (is_open(word[c]) -> have(word[c]) : (word[c] == CLOSED -> 0 : have(replaced[c])))
#define check_balance() assert(held == objects + leaving + in_word(0) + in_word(1))

inline pick_cpu() { if :: c = 0 :: CPUS > 1 -> c = 1 fi }

inline start_section(me) { atomic { pick_cpu(); section[c] = me; seen = word[c] } }
#ifdef COMMIT_AFTER_ABORT
#define not_aborted(me) true
#else
#define not_aborted(me) (section[c] == me)
#endif
#define commit(w) word[c] = w; section[c] = NOBODY; check_balance()

/* From whatever holds the bytes; `leaving` has them. */
inline uncharge(n) {
  atomic {
    assert(held >= n && leaving >= n);
    held = held - n; leaving = leaving - n;
    check_balance();
    if :: held + pins == 0 -> assert(!dead); dead = true :: else fi
  }
}

inline stop(d) {
  replaced[c] = word[c]; before[c] = word[c]; word[c] = STOPPED(d); stopped[c] = true
}
#ifdef RETRY_FILLED_ONLY
#define wants_again(w) (is_open(w) && (!(filled) || have(w) > 0))
#else
#define wants_again(w) is_open(w)
#endif

/* StockDrain: all open words, or those that have bytes. */
inline drain(d, filled) {
  c = 0;
  do
  :: c < CPUS ->
     atomic {
       if
       :: is_open(word[c]) && (!(filled) || have(word[c]) > 0) -> stop(d)
       :: else
       fi;
       c++
     }
  :: else -> break
  od;
  do
  :: !stopped[0] && !stopped[1] -> break
  :: else ->
#ifndef NO_FENCE
     atomic { section[0] = NOBODY; section[1] = NOBODY }
#endif
     c = 0;
     do
     :: c < CPUS ->
        atomic {
          n = 0;
          if
          :: !stopped[c]
          :: stopped[c] && word[c] == STOPPED(d) ->
             word[c] = CLOSED; stopped[c] = false; n = have(before[c]); leaving = leaving + n; check_balance()
          :: stopped[c] && word[c] != STOPPED(d) ->
             stopped[c] = false;
#ifdef TAKE_ALTHOUGH_LOST
             n = have(before[c]); leaving = leaving + n; check_balance()
#endif
#ifndef NO_RETRY
             if :: wants_again(word[c]) -> stop(d) :: else fi
#endif
          fi
        }
        if :: n != 0 -> uncharge(n) :: else fi;
        c++
     :: else -> break
     od
  od;
  atomic { c = 0; n = 0; before[0] = 0; before[1] = 0 }
}

/* uncharge_to_stock() of an object: opens a closed stock where OLD is online, or uncharges. */
inline uncharge_to_stock(me) {
  done = false;
  start_section(me);
  if
  :: seen == CLOSED && !is_new ->
     atomic { readers++; was_online = online && has_context }
     if
     :: was_online ->
        atomic {
          if
          :: not_aborted(me) && seen == CLOSED -> objects--; commit(OPEN(1)); done = true
          :: else
          fi
        }
#ifndef LOOK_BEFORE_OPENING
        if :: done && !online -> drain(me, false) :: else fi
#endif
     :: else
     fi;
     readers--
  :: else
  fi;
  if
  :: !done -> atomic { objects--; leaving++ } uncharge(1)
  :: else
  fi;
  done = false; was_online = false
}

inline free_object(me) {
  start_section(me);
  atomic {
    taken = true;
    if
    :: is_open(seen) && have(seen) < CAPACITY && not_aborted(me) -> objects--; commit(seen + 1)
    :: is_open(seen) && have(seen) < CAPACITY && !not_aborted(me) -> taken = false
    :: else -> taken = false
    fi
  }
  if :: !taken -> uncharge_to_stock(me) :: else fi;
  taken = false; seen = 0
}

/* put_up_stock() of one byte, which was charged (`leaving` has it) beside an object of this thread. */
inline put_up_stock(me) {
#ifdef LOOK_BEFORE_OPENING
  was_online = online;
#endif
  start_section(me);
  atomic {
    if
    :: (seen == CLOSED || is_open(seen) && have(seen) < CAPACITY) && not_aborted(me) ->
       leaving--; commit((seen == CLOSED -> OPEN(1) : seen + 1)); done = true
    :: else -> done = false
    fi
  }
  if
  :: !done -> uncharge(1)
  :: else ->
#ifdef LOOK_BEFORE_OPENING
     if :: !was_online -> drain(me, false) :: else fi
#else
     if :: !online -> drain(me, false) :: else fi
#endif
  fi;
  atomic { done = false; was_online = false; seen = 0 }
}

/* Allocates for OLD, and frees. */
proctype Worker(byte me) {
  byte c, seen, n;
  byte before[MOST_CPUS];
  bool stopped[MOST_CPUS];
  bool taken, done, was_online, mine;
  if
  :: has_tag ->
     start_section(me);
     atomic {
       if
       :: is_open(seen) && have(seen) > 0 && not_aborted(me) -> objects++; commit(seen - 1); taken = true
       :: else
       fi
     }
     if
     :: taken ->
        taken = false;
#ifdef NO_SECOND_LOOK
        atomic { assert(!is_new); mine = true }
#else
        if
        :: atomic { has_tag -> assert(!is_new); mine = true }
#ifdef KEEP_STALE
        :: else
#else
        :: else -> uncharge_to_stock(me)
#endif
        fi
#endif
     :: else ->
        /* The tenant's context is found and held in one read section. Where it is gone, an ancestor's pays. */
        atomic {
          if
          :: has_context && held + pins > 0 -> held = held + 2; objects++; leaving++; check_balance(); mine = true
          :: else
          fi
        }
        if :: mine -> put_up_stock(me) :: else fi
     fi
  :: else
  fi;
  if :: mine -> free_object(me) :: else fi
}

proctype Drainer() {
  byte c, n;
  byte before[MOST_CPUS];
  bool stopped[MOST_CPUS];
  /* What is refused takes all stocks back; the look at the decay takes those that have bytes. */
#ifndef DRAIN_OUTSIDE
  readers++;
#endif
  if
  :: drain(DRAINER, false)
  :: drain(DRAINER, true)
  fi;
#ifdef DRAIN_OUTSIDE
  skip
#else
  readers--
#endif
}

/* OLD goes offline; NEW comes by the number, puts up a stock, and goes as well. */
proctype Offline() {
  byte c, n;
  byte before[MOST_CPUS];
  bool stopped[MOST_CPUS];
#ifdef CLOSE_BEFORE_DYING
  drain(OFFLINE, false);
  online = false;
#else
  online = false;
#ifndef LEAVE_STOCKS
  drain(OFFLINE, false);
#endif
#endif
  has_context = false;
  has_tag = false;
  atomic { pins--; if :: held + pins == 0 -> dead = true :: else fi }
  dead;
#ifndef NO_GRACE
  readers == 0;
#endif
  atomic {
    assert(held == 0 && pins == 0);
    assert(!is_open(word[0]) && !is_open(word[1]));
    dead = false; is_new = true; pins = 1;
    if :: word[0] == CLOSED -> held = 1; word[0] = OPEN(1); section[0] = NOBODY :: else fi
  }
  drain(OFFLINE, false);
  atomic { pins--; if :: held + pins == 0 -> dead = true :: else fi }
}

init {
  atomic {
    /* A stock, from which one worker may take what the other one has not charged. */
    held = 1; pins = 1; word[0] = OPEN(1); section[0] = NOBODY; section[1] = NOBODY;
    run Worker(0);
#if WORKERS == 2
    run Worker(1);
#endif
    run Drainer();
    run Offline()
  }
  _nr_pr == 1;
  assert(held == 0 && objects == 0 && leaving == 0);
  assert(word[0] == CLOSED && word[1] == CLOSED);
  assert(is_new && dead)
}
