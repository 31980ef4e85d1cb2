#include "rules/threads.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/system/log.h"
#include "rules/control.h"
#include "rules/loaded.h"
#include "rules/process.h"
#include "rules/wrappers/next.h"

namespace tenure::rules {
namespace {

constinit ThreadState* threads = nullptr;  // Protected by rules_mutex.
constinit pthread_once_t key_once = PTHREAD_ONCE_INIT;
constinit pthread_key_t key;
constinit std::atomic<bool> has_key{false};

// With rules_mutex held.
void list_this_thread() {
  ThreadState& state = this_thread;
  state.thread = static_cast<uintptr_t>(pthread_self());
  state.next_thread = threads;
  state.link_to_this = &threads;
  if (threads != nullptr) threads->link_to_this = &state.next_thread;
  threads = &state;
  state.is_registered = true;
}

void unlist_this_thread() {
  ThreadState& state = this_thread;
  if (!state.is_registered) return;
  *state.link_to_this = state.next_thread;
  if (state.next_thread != nullptr) state.next_thread->link_to_this = state.link_to_this;
  state.is_registered = false;
}

void end_thread(void*) {
  const Inside inside;
  // If a later destructor reads from a connection, the end is noticed again.
  this_thread.has_noticed_end = false;
  const Control control;
  leave_all();
  unlist_this_thread();
  end_departed();
}

void make_key() {
  has_key.store(pthread_key_create(&key, end_thread) == 0, std::memory_order_release);
}

}  // namespace

bool notice_end_of_this_thread() {
  ThreadState& state = this_thread;
  if (state.has_noticed_end) return true;
  pthread_once(&key_once, make_key);
  state.has_noticed_end =
      has_key.load(std::memory_order_acquire) && pthread_setspecific(key, &state) == 0;
  return state.has_noticed_end;
}

namespace {

Facts facts_of_this_thread(const char* name) {
  Facts all;
  all.process = process_facts();
  all.thread.name = name;
  all.thread.library = this_thread.library ? this_thread.library : "";
  all.thread.symbol = this_thread.symbol ? this_thread.symbol : "";
  all.thread.tid = static_cast<uint32_t>(gettid());
  return all;
}

// With rules_mutex held. The tenant of the thread's rule becomes its base. Without a rule the thread keeps its base, or, if an earlier name
// had a rule, returns to the process's tenant.
void choose_base(const char* name) {
  const Facts all = facts_of_this_thread(name);
  const RuleRecord* const rule = find_rule(current_view(), kThreadRule, all);
  const Membership base = rule ? join_by_rule(*rule, all) : Membership::kNone;
  if (base != Membership::kNone) {
    this_thread.has_thread_rule = true;
    set_base(base);
  } else if (this_thread.has_thread_rule) {
    this_thread.has_thread_rule = false;
    set_base(join_process_base());
  }
}

void choose_named_base(const char* path) {
  char clean[kPathBytes];
  if (!clean_path(path, clean)) return;
  this_thread.has_thread_rule = *clean != '\0';
  set_base(*clean != '\0' ? join_path(clean, false) : join_process_base());
}

bool is_main_thread() { return gettid() == getpid(); }

// A start routine, and its library.
struct Code {
  const char* library = "";
  const char* symbol = "";
};

const char* file_name(const char* path) {
  const char* const slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

// std::thread starts in the C++ library's own routine. Its argument is an object of a class of the library that made the thread, so the
// object's table of virtual functions lies in that library.
const char* library_of_std_thread(void* argument) {
  Dl_info of_table;
  void* table = nullptr;
  if (argument == nullptr) return nullptr;
  memcpy(&table, argument, sizeof table);
  return dladdr(table, &of_table) != 0 ? of_table.dli_fname : nullptr;
}

Code code_of(void* (*routine)(void*), void* argument) {
  Code code;
  Dl_info info;
  if (dladdr(reinterpret_cast<void*>(routine), &info) == 0) return code;
  if (info.dli_sname != nullptr) code.symbol = info.dli_sname;
  code.library = file_name(info.dli_fname);
  if (strncmp(code.library, "libstdc++.so", 12) == 0) {
    if (const char* const path = library_of_std_thread(argument)) code.library = file_name(path);
  }
  return code;
}

struct Start {
  void* (*routine)(void*);
  void* argument;
  Membership base;
  bool has_thread_rule;
  Code code;
};

void begin_thread(const Start& start) {
  const Inside inside;
  ThreadState& state = this_thread;
  state.library = start.code.library;
  state.symbol = start.code.symbol;
  if (!notice_end_of_this_thread()) return leave(start.base);
  const Control control;
  list_this_thread();
  set_base(start.base);
  if (is_active(kThreadRule)) {
    char name[16] = {};
    next().prctl(PR_GET_NAME, name, 0L, 0L, 0L);
    choose_base(name);
  }
  // If no rule matches the new thread, it stays in the tenant of its creator until it gets another name.
  if (start.has_thread_rule) state.has_thread_rule = true;
}

void* run(void* given) {
  const Start start = *static_cast<Start*>(given);
  free(given);
  begin_thread(start);
  return start.routine(start.argument);
}

}  // namespace

void register_main_thread() {
  const Inside inside;
  const Control control;
  list_this_thread();
  if (!is_active(kThreadRule)) return;
  choose_base(process_facts().name);
}

void forget_other_threads() {
  threads = nullptr;
  if (!this_thread.is_registered) return;
  list_this_thread();
  this_thread.next_thread = nullptr;
}

void rename_this_thread(const char* name, const char* tenant) {
  const Inside inside;
  if (!inside.entered() || !owns_memory() || !notice_end_of_this_thread()) return;
  const Control control;
  if (tenant != nullptr) {
    choose_named_base(tenant);
  } else if (is_active(kThreadRule) || this_thread.has_thread_rule) {
    choose_base(name);
  }
  if (is_main_thread()) set_process_name(name);
  end_departed();
}

bool leave_name_for(pthread_t thread, const char* name, const char* tenant) {
  const Inside inside;
  if (!inside.entered()) return false;
  const Control control;
  for (ThreadState* state = threads; state != nullptr; state = state->next_thread) {
    if (state->thread != static_cast<uintptr_t>(thread) || state == &this_thread) continue;
    LineBuffer line;
    line.text(name);
    if (tenant != nullptr) line.text("@").text(tenant);
    // A name that is too long is cut.
    const size_t length =
        line.size() < sizeof state->pending_name ? line.size() : sizeof state->pending_name - 1;
    memcpy(state->pending_name, line.data(), length);
    state->pending_name[length] = '\0';
    // Release: the name.
    state->has_pending_name.store(true, std::memory_order_release);
    return true;
  }
  return false;
}

void take_pending_name() {
  char given[sizeof this_thread.pending_name];
  {
    const Inside inside;
    if (!inside.entered()) return;
    const Control control;
    this_thread.has_pending_name.store(false, std::memory_order_relaxed);
    memcpy(given, this_thread.pending_name, sizeof given);
  }
  char plain[16];
  const char* const tenant = split_name(given, sizeof given - 1, plain);
  rename_this_thread(plain, tenant);
}

}  // namespace tenure::rules

using namespace tenure::rules;

TENURE_EXPORT int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                                 void* (*routine)(void*), void* argument) {
  const auto real = next().pthread_create;
  if (!is_active(kIsOn) || this_thread.is_busy ||
      (!is_active(kThreadRule) && this_thread.base == Membership::kNone))
    return real(thread, attributes, routine, argument);
  tidy_up();
  auto* const start = static_cast<Start*>(tenure_malloc(tenure_root(), sizeof(Start)));
  if (start == nullptr) return EAGAIN;
  *start = {routine, argument, join(this_thread.base), this_thread.has_thread_rule, {}};
  if (is_active(kHasCode)) start->code = code_of(routine, argument);
  const Membership base = start->base;
  const int error = real(thread, attributes, run, start);
  if (error != 0) {
    leave(base);
    free(start);
  }
  return error;
}
