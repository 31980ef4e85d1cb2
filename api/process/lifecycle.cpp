// From before the first constructor to after the last destructor.
//
// malloc does not depend on this code: it sets itself up at its first call, at any time.
#include <pthread.h>
#include <sys/single_threaded.h>
#include <unistd.h>

#include "accounting/pressure/events.h"
#include "accounting/pressure/pressure.h"
#include "accounting/shrinkers/lru.h"
#include "accounting/shrinkers/shrinker.h"
#include "accounting/tenants/own_region.h"
#include "accounting/tenants/tenant_tree.h"
#include "allocator/caches/reaper.h"
#include "allocator/control/profile.h"
#include "allocator/control/statistics.h"
#include "allocator/fronts/charge_stock.h"
#include "allocator/fronts/drain.h"
#include "allocator/heap/bootstrap.h"
#include "allocator/slabs/arena.h"
#include "allocator/slabs/waiting_slabs.h"
#include "allocator/upkeep/helper.h"
#include "allocator/upkeep/process_limit.h"
#include "allocator/upkeep/run_stash.h"
#include "api/process/helper_thread.h"
#include "api/process/lifecycle.h"
#include "api/process/ownership.h"
#include "api/process/threads.h"
#include "base/system/log.h"
#include "mapped/calls.h"

namespace {

// Set in a fork child, which has one thread then.
constinit bool lost_threads = false;

// There is no prepare handler: every state in which another thread can be stopped is valid, so there is nothing to wait for. (glibc takes
// its stdio locks after an interposer's prepare handler. Other allocators that take locks there can hang in a fork.)
void in_child() {
  // Written only if it changes, as all that follows, because each write to a page is a fault in each child.
  if (!__libc_single_threaded) lost_threads = true;
  const bool sections_cut_off = tenure::grace::after_fork_child();
  tenure::deferred::after_fork_child();
  tenure::shrinkers_after_fork_child();
  tenure::lrus_after_fork_child();
  tenure::repair_reaper_after_fork();
  tenure::tenants_after_fork_child(sections_cut_off);
  if (sections_cut_off) tenure::drop_forgotten_caches();
  tenure::pressure_after_fork_child();
  tenure::events_after_fork_child();
  tenure::repair_stocks_after_fork();
  tenure::repair_stashes_after_fork();
  tenure::repair_fronts_after_fork();
  tenure::repair_waiting_slabs_after_fork();
  if (lost_threads) {
    tenure::arena.page_heap.repair_hints();
    tenure::mend_process_memory(tenure::arena.page_heap.dirty_bytes(),
                                tenure::mapped::charged_bytes());
  }
  tenure::repair_helper_after_fork();
  tenure::count_threads_anew_after_fork();
}

// If the process has another malloc, the library has no tenants.
void open_live() {
  const tenure::Arena& arena = tenure::arena;
  const auto mode = static_cast<tenure::LiveMode>(arena.settings.live);
  if (mode == tenure::LiveMode::kOff || !tenure::owns_malloc()) return;
  const uint32_t flags =
      (arena.rseq ? tenure::live::kRseq : 0) | (arena.hardened ? tenure::live::kHardened : 0);
  tenure::open_live_region(mode, flags, TENURE_VERSION);
}

void start_profile(int64_t mean) {
  const auto least = static_cast<int64_t>(tenure::kSmallestMean);
  if (tenure::start_profile(static_cast<uint64_t>(mean < least ? least : mean)) != 0)
    tenure::log_line("profile: no memory for samples, so no profile is taken");
}

void write_profile() {
  const char* const file = tenure::arena.settings.profile_file;
  if (tenure::arena.settings.profile == 0 || file[0] == '\0') return;
  if (const int error = tenure::dump_profile(file)) {
    tenure::LineBuffer line;
    line.text("tenure: profile: ").text(file).text(" cannot be written: error ");
    line.decimal(static_cast<uint64_t>(-error)).text("\n").flush(STDERR_FILENO);
  }
}

__attribute__((constructor(101))) void start() {
  tenure::bootstrap();
  pthread_atfork(nullptr, nullptr, in_child);
  open_live();
  tenure::start_helper();
  if (const int64_t mean = tenure::arena.settings.profile; mean > 0) start_profile(mean);
}

__attribute__((destructor(101))) void finish() {
  tenure::live::end_region();
  write_profile();
  const auto mode = static_cast<tenure::StatsMode>(tenure::arena.settings.stats);
  if (mode == tenure::StatsMode::kOff) return;
  tenure::print_statistics(STDERR_FILENO, mode == tenure::StatsMode::kJson);
}

}  // namespace

bool tenure::threads_lost_in_fork() { return lost_threads; }
