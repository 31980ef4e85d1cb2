// Threads under rules (files/threads.toml): names, inheritance, limits, caps, ends.
#include "check.h"

#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static void run(void* (*routine)(void*), void* argument) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, routine, argument) == 0);
  CHECK(pthread_join(thread, NULL) == 0);
}

static char own_tenant[64];
static void* kept;

static void* inherits(void* expected) {
  CHECK_TENANT((const char*)expected);
  return NULL;
}

static void* is_renamed(void* how) {
  CHECK_TENANT("/");
  if (strcmp(how, "prctl") == 0) {
    CHECK(prctl(PR_SET_NAME, "conn-1") == 0);
  } else {
    CHECK(pthread_setname_np(pthread_self(), "conn-1") == 0);
  }
  snprintf(own_tenant, sizeof own_tenant, "/pool/conn-%ld", (long)gettid());
  CHECK_TENANT(own_tenant);
  char name[16];
  CHECK(prctl(PR_GET_NAME, name) == 0 && strcmp(name, "conn-1") == 0);
  kept = malloc(1000);
  CHECK(is_owned_by(kept, own_tenant));
  // The limit of the rule holds.
  CHECK(limit_of(own_tenant, TENURE_MAX) == 1 << 20 && malloc(2 << 20) == NULL);
  return NULL;
}

static void names(void) {
  const char* const ways[] = {"prctl", "pthread_setname_np"};
  for (int i = 0; i < 2; ++i) {
    run(is_renamed, (void*)ways[i]);
    // With its last member the tenant has gone; what is left is its parent's.
    CHECK(!is_online(own_tenant));
    CHECK(is_owned_by(kept, "/pool"));
    free(kept);
  }
  CHECK(children_of("/pool") == 0 && usage_of("/pool") == 0);
  CHECK_TENANT("/");
}

static void* changes_names(void* unused) {
  (void)unused;
  CHECK(prctl(PR_SET_NAME, "few-a") == 0);
  CHECK_TENANT("/few/few-a");
  CHECK(prctl(PR_SET_NAME, "few-b") == 0);
  CHECK_TENANT("/few/few-b");
  CHECK(!is_online("/few/few-a"));
  CHECK(prctl(PR_SET_NAME, "nothing") == 0);
  CHECK_TENANT("/");
  CHECK(!is_online("/few/few-b") && is_online("/few"));
  // The thread names its tenant itself.
  CHECK(prctl(PR_SET_NAME, "plain@/own/tenant") == 0);
  CHECK_TENANT("/own/tenant");
  char name[16];
  CHECK(prctl(PR_GET_NAME, name) == 0 && strcmp(name, "plain") == 0);
  CHECK(pthread_setname_np(pthread_self(), "a name that is too long") != 0);
  CHECK_TENANT("/own/tenant");
  run(inherits, "/own/tenant");
  CHECK(pthread_setname_np(pthread_self(), "@/own/other") == 0);
  CHECK_TENANT("/own/other");
  CHECK(prctl(PR_GET_NAME, name) == 0 && strcmp(name, "plain") == 0);
  CHECK(prctl(PR_SET_NAME, "plain@/") == 0);
  CHECK_TENANT("/");
  // Bad addresses are the kernel's to refuse.
  CHECK(prctl(PR_SET_NAME, NULL) == -1);
  return NULL;
}

static pthread_barrier_t all_there, all_done;

static void* one_of_few(void* number) {
  char name[16], path[64];
  snprintf(name, sizeof name, "few-%ld", (long)(intptr_t)number);
  CHECK(pthread_setname_np(pthread_self(), name) == 0);
  snprintf(path, sizeof path, "/few/%s",
           strcmp(current_path(), "/few/other") == 0 ? "other" : name);
  CHECK_TENANT(path);
  pthread_barrier_wait(&all_there);
  pthread_barrier_wait(&all_done);
  return NULL;
}

static void cap(void) {
  pthread_t threads[8];
  pthread_barrier_init(&all_there, NULL, 9);
  pthread_barrier_init(&all_done, NULL, 9);
  for (intptr_t i = 0; i < 8; ++i)
    CHECK(pthread_create(&threads[i], NULL, one_of_few, (void*)i) == 0);
  pthread_barrier_wait(&all_there);
  CHECK(children_of("/few") == 4 && is_online("/few/other"));
  pthread_barrier_wait(&all_done);
  for (int i = 0; i < 8; ++i) pthread_join(threads[i], NULL);
  CHECK(children_of("/few") == 0);
}

void* named_start(void* unused) {
  (void)unused;
  CHECK_TENANT("/symbols/named_start");
  pthread_exit(NULL);
}

static int may_go;
static void* waits_to_be_cancelled(void* unused) {
  (void)unused;
  prctl(PR_SET_NAME, "conn-9");
  __atomic_store_n(&may_go, 1, __ATOMIC_RELEASE);
  int ends[2];
  CHECK(pipe(ends) == 0);
  char byte;
  read(ends[0], &byte, 1);  // The cancellation point, through the wrapper.
  abort();
}

static void ends(void) {
  run(named_start, NULL);
  CHECK(is_online("/symbols") && !is_online("/symbols/named_start"));
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, waits_to_be_cancelled, NULL) == 0);
  while (!__atomic_load_n(&may_go, __ATOMIC_ACQUIRE)) sched_yield();
  CHECK(children_of("/pool") == 1);
  CHECK(pthread_cancel(thread) == 0);
  void* result = NULL;
  CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
  CHECK(children_of("/pool") == 0);
}

static void* has_a_scope(void* unused) {
  (void)unused;
  struct tenure_tenant* own = NULL;
  CHECK(tenure_tenant_create(NULL, "own-scope", 0, &own) == 0);
  const struct tenure_scope outer = tenure_enter(own);
  prctl(PR_SET_NAME, "conn-5");
  CHECK_TENANT("/own-scope");  // The program's own scope lies above.
  tenure_leave(outer);
  CHECK_TENANT("/");
  prctl(PR_SET_NAME, "conn-5");
  CHECK(strncmp(current_path(), "/pool/conn-", 11) == 0);
  const struct tenure_scope inner = tenure_enter(own);
  CHECK_TENANT("/own-scope");
  tenure_leave(inner);
  CHECK(strncmp(current_path(), "/pool/conn-", 11) == 0);
  CHECK(tenure_tenant_offline(own, 0) == 0);
  tenure_tenant_close(own);
  return NULL;
}

static int named;
static void* is_named_by_another(void* unused) {
  (void)unused;
  while (!__atomic_load_n(&named, __ATOMIC_ACQUIRE)) sched_yield();
  int ends_of_pipe[2];
  CHECK(pipe(ends_of_pipe) == 0 && write(ends_of_pipe[1], "x", 1) == 1);
  char byte;
  CHECK(read(ends_of_pipe[0], &byte, 1) == 1);  // Where the thread notices.
  CHECK_TENANT("/few/few-x");
  close(ends_of_pipe[0]);
  close(ends_of_pipe[1]);
  return NULL;
}

static void by_another(void) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, is_named_by_another, NULL) == 0);
  CHECK(pthread_setname_np(thread, "few-x") == 0);
  __atomic_store_n(&named, 1, __ATOMIC_RELEASE);
  pthread_join(thread, NULL);
}

static void* forks(void* unused) {
  (void)unused;
  prctl(PR_SET_NAME, "conn-7");
  char here[512];
  snprintf(here, sizeof here, "%s", current_path());
  pid_t child = fork();
  if (child == 0) {
    CHECK_TENANT(here);
    // The thread that was not copied has left.
    CHECK(children_of("/pool") == 1);
    prctl(PR_SET_NAME, "main");
    CHECK(children_of("/pool") == 0 && usage_of("/pool") == 0);
    CHECK(tenure_validate() == 0);
    _exit(0);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  return NULL;
}

static void* waits(void* unused) {
  (void)unused;
  prctl(PR_SET_NAME, "conn-8");
  pthread_barrier_wait(&all_there);
  pthread_barrier_wait(&all_done);
  return NULL;
}

static void fork_with_threads(void) {
  pthread_t waiting;
  pthread_barrier_init(&all_there, NULL, 2);
  pthread_barrier_init(&all_done, NULL, 2);
  CHECK(pthread_create(&waiting, NULL, waits, NULL) == 0);
  pthread_barrier_wait(&all_there);
  run(forks, NULL);
  CHECK(children_of("/pool") == 1);
  pthread_barrier_wait(&all_done);
  pthread_join(waiting, NULL);
  CHECK(children_of("/pool") == 0);
}

int main(void) {
  CHECK_TENANT("/");
  CHECK(limit_of("/pool", TENURE_MAX) == 64 << 20);
  names();
  run(changes_names, NULL);
  cap();
  ends();
  run(has_a_scope, NULL);
  by_another();
  fork_with_threads();
  CHECK(!is_online("/own/tenant"));
  CHECK(tenure_validate() == 0);
  return 0;
}
