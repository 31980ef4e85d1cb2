/* Opened with RTLD_DEEPBIND: what libc allocates for it, it frees, and the other way round. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 0, or what went wrong. */
int exchange_with_libc(void);
int exchange_with_libc(void) {
  for (int i = 0; i < 1000; ++i) {
    char *copy = strdup("allocated by libc"), *text = NULL, *line = NULL;
    if (copy == NULL || asprintf(&text, "number %d, %500d", i, i) < 0) return 1;
    free(copy);
    free(text);
    size_t size = 0;
    FILE* stream = fopen("/proc/self/status", "r");
    if (stream == NULL) return 2;
    if (getline(&line, &size, stream) <= 0) return 3;
    fclose(stream);
    free(line);
    char* grown = malloc(10);
    stream = open_memstream(&line, &size);
    if (grown == NULL || stream == NULL) return 4;
    fputs("grown by libc", stream);
    fclose(stream);
    line = realloc(line, 1000);
    if (line == NULL) return 5;
    free(line);
    free(grown);
  }
  return 0;
}
