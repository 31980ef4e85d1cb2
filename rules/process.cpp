// Runs before main(), and in fork children.
#include "rules/process.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <utility>

#include "base/system/system_file.h"
#include "rules/connection.h"
#include "rules/control.h"
#include "rules/descriptors.h"
#include "rules/loaded.h"
#include "rules/matching/messages.h"
#include "rules/matching/path_template.h"
#include "rules/threads.h"
#include "rules/wrappers/next.h"

namespace tenure::rules {
namespace {

constexpr size_t kCommandBytes = 4096;

// Written before main(), in fork children, and by the main thread when it is renamed; read under rules_mutex.
constinit ProcessFacts facts{};
constinit char name[16] = {};
constinit char command[kCommandBytes] = {};
// The process that owns this memory. Relaxed: a plain number, written while there is one thread.
constinit std::atomic<pid_t> owner{0};
constinit Membership process_base = Membership::kNone;  // Protected by rules_mutex.
constinit bool is_named_by_environment = false;         // The same; constant after start.

void read_facts() {
  size_t length = read_system_file("/proc/self/comm", name, sizeof name - 1);
  while (length != 0 && name[length - 1] == '\n') --length;
  name[length] = '\0';
  length = read_system_file("/proc/self/cmdline", command, sizeof command - 1);
  while (length != 0 && command[length - 1] == '\0') --length;
  for (size_t i = 0; i < length; ++i) {
    if (command[i] == '\0') command[i] = ' ';
  }
  command[length] = '\0';
  facts.name = name;
  facts.command = command;
}

// Takes the membership over, for the process and for the calling thread if it was in the process's tenant.
void set_process_base(Membership base) {
  const Membership before = std::exchange(process_base, base);
  if (this_thread.base == before && !this_thread.has_thread_rule) set_base(join(base));
  leave(before);
}

// Chooses the tenant by the environment's path, or by a rule.
void choose_process_base() {
  if (const char* const path = secure_getenv("TENURE_TENANT"); path != nullptr && *path != '\0') {
    char clean[kPathBytes];
    if (!clean_path(path, clean)) {
      if (!is_named_by_environment)
        say("TENURE_TENANT=", path, ": no path of a tenant: /name/name");
    } else {
      // "/" is the root, whatever rules say.
      if (!is_named_by_environment && *clean != '\0') set_process_base(join_path(clean, true));
      is_named_by_environment = true;
      return;
    }
  }
  Facts all;
  all.process = facts;
  const RuleRecord* const rule = find_rule(current_view(), kProcessRule, all);
  const Membership base = rule ? join_by_rule(*rule, all) : Membership::kNone;
  if (base == process_base) return leave(base);
  set_process_base(base);
}

void in_child() {
  owner.store(getpid(), std::memory_order_relaxed);
  if (!is_active(kIsOn)) return;
  facts.pid = static_cast<uint32_t>(getpid());
  forget_other_threads();
  Membership own[kMembershipsOfThread + 1];
  Membership of_thread[kMembershipsOfThread];
  memberships_of_this_thread(of_thread);
  memcpy(own, of_thread, sizeof of_thread);
  own[kMembershipsOfThread] = process_base;
  recount_after_fork(own, kMembershipsOfThread + 1);
  const Inside inside;
  if (!inside.entered()) return;
  const Control control;
  choose_process_base();
  end_departed();
}

__attribute__((constructor)) void start() {
  find_next();
  owner.store(getpid(), std::memory_order_relaxed);
  const bool has_share = find_share();
  if (!has_share && secure_getenv("TENURE_TENANT") == nullptr) return;
  if (&tenure_active == nullptr || tenure_active() == 0) {
    say("this program's malloc is not Tenure's: no rules");
    return;
  }
  if (!reserve_tenants() || !reserve_descriptors()) {
    say("no memory for tenants: no rules");
    return;
  }
  read_facts();
  facts.pid = static_cast<uint32_t>(getpid());
  pthread_atfork(nullptr, nullptr, in_child);
  {
    const Inside inside;
    const Control control;  // Loads the rules.
    active.fetch_or(kIsOn, std::memory_order_relaxed);
    choose_process_base();
  }
  register_main_thread();
  if (is_active(kConnectionRule)) look_at_inherited_descriptors();
}

}  // namespace

const ProcessFacts& process_facts() { return facts; }

Membership join_process_base() { return join(process_base); }

bool owns_memory() { return getpid() == owner.load(std::memory_order_relaxed); }

void set_process_name(const char* to) {
  const size_t length = strnlen(to, sizeof name - 1);
  memcpy(name, to, length);
  name[length] = '\0';
  choose_process_base();
}

void apply_new_rules() {
  adopt_rules();
  if (is_active(kIsOn) && facts.pid != 0 && facts.command == command) choose_process_base();
}

}  // namespace tenure::rules
