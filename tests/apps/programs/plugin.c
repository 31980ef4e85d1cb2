// A plugin of plugin_host.c, which knows nothing of tenants: works on a thread of its own, with as many blocks as WANTED says.
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { kBlock = 1 << 20, kMost = 64 };

static void* blocks[kMost];

static void* work(void* result) {
  int got = 0;
  while (got < WANTED && (blocks[got] = malloc(kBlock)) != NULL) memset(blocks[got++], 1, kBlock);
  *(int*)result = got;
  return NULL;
}

// The number of blocks that it could get. It keeps them.
int plugin_run(void) {
  pthread_t thread;
  int got = -1;
  if (pthread_create(&thread, NULL, work, &got) == 0) pthread_join(thread, NULL);
  return got;
}
