/* Says whether its malloc is Tenure's: what it allocates shows in Tenure's own count. */
#include <stdio.h>
#include <stdlib.h>
#include <tenure/tenure.h>

static size_t allocated(void) {
  struct tenure_stats stats = {.struct_size = sizeof stats};
  return tenure_stats(&stats) == 0 ? stats.allocated : 0;
}

int main(void) {
  const size_t size = 64 << 20;
  const size_t before = allocated();
  void* volatile block = malloc(size);
  const size_t after = allocated();
  free(block);
  printf("version %s, malloc is %s\n", tenure_version(), after >= before + size ? "tenure" : "not");
  return 0;
}
