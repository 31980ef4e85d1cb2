// Does what standard input says, and says in which tenant: "thread NAME", "connection ADDRESS", "start" (another program).
#include <pthread.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "sockets.h"

extern char** environ;

static void* is_named(void* name) {
  prctl(PR_SET_NAME, name);
  puts(tenure_available() ? current_path() : "-");
  return NULL;
}

static void start_thread(char* name) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, is_named, name) == 0);
  pthread_join(thread, NULL);
}

static void start(char* self) {
  pid_t child;
  // Closed where no wrapper sees it, as by a program that makes the system calls itself.
  syscall(SYS_close_range, 3u, ~0u, 0u);
  char* const arguments[] = {self, "thread", "started", NULL};
  CHECK(posix_spawn(&child, self, NULL, NULL, arguments, environ) == 0);
  int status;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
}

int main(int argc, char** argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (argc == 3) {
    start_thread(argv[2]);
    return 0;
  }
  char line[256];
  while (fgets(line, sizeof line, stdin) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    char* const space = strchr(line, ' ');
    if (space != NULL) *space = '\0';
    if (strcmp(line, "thread") == 0) start_thread(space + 1);
    if (strcmp(line, "start") == 0) start(argv[0]);
    if (strcmp(line, "connection") == 0) {
      const struct listener listener = listen_inet();
      const struct connection c = connect_from(&listener, space + 1);
      serve(c);
      puts(current_path());
      end(c);
      close(listener.fd);
    }
  }
  return 0;
}
