/* A C program that links the library and prints the statistics of its heap. */
#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tenure/tenure.h>

static struct tenure_stats look(void) {
  struct tenure_stats stats = {.struct_size = sizeof stats};
  const int error = tenure_stats(&stats);
  assert(error == 0);
  return stats;
}

int main(void) {
  enum { kRecords = 10000, kBytes = 200 };
  const struct tenure_stats before = look();

  char** records = calloc(kRecords, sizeof *records);
  assert(records != NULL);
  for (int i = 0; i < kRecords; ++i) {
    records[i] = malloc(kBytes);
    assert(records[i] != NULL);
    memset(records[i], i, kBytes);
  }
  const struct tenure_stats full = look();

  for (int i = 0; i < kRecords; ++i) {
    assert(records[i][kBytes - 1] == (char)i);
    free(records[i]);
  }
  free(records);
  const struct tenure_stats after = look();

  printf("Tenure %s, mode %s\n", tenure_version(), tenure_mode());
  printf("%-10s %10s %10s\n", "", "allocated", "cached");
  printf("%-10s %10zu %10zu\n", "before", before.allocated, before.cached);
  printf("%-10s %10zu %10zu\n", "full", full.allocated, full.cached);
  printf("%-10s %10zu %10zu\n", "after", after.allocated, after.cached);

  assert(full.allocated - before.allocated >= kRecords * kBytes);
  assert(full.allocated - before.allocated < 2 * kRecords * kBytes);
  assert(after.allocated < full.allocated - kRecords * kBytes / 2);
  assert(tenure_validate() == 0);

  fflush(stdout);
  tenure_stats_print(1, 0); /* By size class, to standard output. */
  return 0;
}
