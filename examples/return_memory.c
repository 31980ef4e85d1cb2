/* A program that has freed much of its memory, and returns it to the system before it becomes idle. */
#undef NDEBUG
#include <assert.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t resident_kib(void) {
  FILE* file = fopen("/proc/self/statm", "r");
  assert(file != NULL);
  unsigned long pages = 0;
  const int fields = fscanf(file, "%*u %lu", &pages);
  assert(fields == 1);
  fclose(file);
  return pages * 4;
}

int main(void) {
  enum { kObjects = 100000, kBytes = 500 };
  static void* objects[kObjects];
  const size_t before = resident_kib();
  for (int i = 0; i < kObjects; ++i) {
    objects[i] = malloc(kBytes);
    assert(objects[i] != NULL);
    memset(objects[i], 1, kBytes);
  }
  const size_t full = resident_kib();
  for (int i = 0; i < kObjects; ++i) free(objects[i]);
  malloc_trim(0); /* Otherwise it goes back bit by bit, as the program goes on allocating. */
  const size_t after = resident_kib();

  printf("resident: %zu KiB before, %zu KiB full, %zu KiB after\n", before, full, after);
  assert(full > before + kObjects / 1024 * kBytes);
  assert(after < before + 4096);
  return 0;
}
