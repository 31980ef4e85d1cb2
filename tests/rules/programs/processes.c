// Processes under rules (files/processes.toml): prefork children, programs, a name of their own, TENURE_TENANT.
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "check.h"

static char own[64];

static const char* path_below(const char* parent, pid_t pid) {
  snprintf(own, sizeof own, "%s/%d", parent, (int)pid);
  return own;
}

static void wait_for(pid_t child) {
  int status;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void* inherits(void* unused) {
  (void)unused;
  CHECK_TENANT(own);
  return NULL;
}

static void threads_start_in_the_process_tenant(void) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, inherits, NULL) == 0);
  pthread_join(thread, NULL);
}

// Children of fork are tenants of their own, and what they got from the parent is the level above's.
static void prefork(void) {
  void* const of_parent = malloc(100000);
  char parent[64];
  snprintf(parent, sizeof parent, "%s", path_below("/pg", getpid()));
  CHECK_TENANT(parent);
  CHECK(is_owned_by(of_parent, parent));
  const pid_t child = fork();
  if (child == 0) {
    CHECK_TENANT(path_below("/pg", getpid()));
    CHECK(!is_online(parent) && is_owned_by(of_parent, "/pg"));
    CHECK(is_owned_by(malloc(100000), own));
    threads_start_in_the_process_tenant();
    const pid_t grandchild = fork();
    if (grandchild == 0) {
      CHECK_TENANT(path_below("/pg", getpid()));
      CHECK(children_of("/pg") == 1 && tenure_validate() == 0);
      _exit(0);
    }
    wait_for(grandchild);
    _exit(0);
  }
  wait_for(child);
  CHECK_TENANT(parent);
  path_below("/pg", getpid());
  threads_start_in_the_process_tenant();
  free(of_parent);
}

static void start(const char* self, const char* what, const char* tenant) {
  const pid_t child = fork();
  if (child == 0) {
    if (tenant != NULL) setenv("TENURE_TENANT", tenant, 1);
    execl(self, self, what, "argument", (char*)NULL);
    _exit(1);
  }
  wait_for(child);
}

int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], "worker") == 0) {
    CHECK_TENANT(path_below("/workers", getpid()));
    CHECK(limit_of(own, TENURE_MAX) == 4 << 20 && malloc(5 << 20) == NULL);
    return 0;
  }
  if (argc > 1 && strcmp(argv[1], "named") == 0) {
    CHECK_TENANT("/x/y");
    snprintf(own, sizeof own, "/x/y");
    threads_start_in_the_process_tenant();
    const pid_t child = fork();
    if (child == 0) {
      CHECK_TENANT("/x/y");
      _exit(0);
    }
    wait_for(child);
    return 0;
  }
  if (argc > 1 && strcmp(argv[1], "badly_named") == 0) {
    CHECK_TENANT(path_below("/pg", getpid()));
    return 0;
  }
  prefork();
  start(argv[0], "worker", NULL);
  start(argv[0], "named", "/x/y");
  start(argv[0], "badly_named", "x/y");
  CHECK(prctl(PR_SET_NAME, "renamed") == 0);
  CHECK_TENANT("/renamed");
  CHECK(children_of("/pg") == 0);
  CHECK(tenure_validate() == 0);
  return 0;
}
