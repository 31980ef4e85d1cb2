package tenure

// C code that knows nothing of tenants, for the tests, which cannot have any.

/*
#include <stdlib.h>
#include <unistd.h>
static void *allocate(size_t size) { return malloc(size); }
static void pause_a_moment(void) { usleep(100); }
*/
import "C"

import "unsafe"

func allocate(size uint64) unsafe.Pointer { return C.allocate(C.size_t(size)) }
func pause()                              { C.pause_a_moment() }
