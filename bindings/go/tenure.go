// Package tenure gives Go programs tenants: owners of C memory inside a process, with limits.
//
// Go's own heap does not come from malloc, and no tenant sees it. Charged is what C code allocates that is called by cgo inside
// Do, and what Malloc returns. The process's malloc must be Tenure's; see NotActive.
package tenure

/*
#cgo CFLAGS: -std=gnu11
// The functions are found in the process when it starts, and are NULL without the library.
#define TENURE_WEAK
#include <tenure/tenure.h>
#include <errno.h>
#include <stdlib.h>

static int is_active(void) { return tenure_available() && tenure_active(); }
static struct tenure_tenant *root(void) { return tenure_available() ? tenure_root() : NULL; }
static int create(struct tenure_tenant *parent, const char *name, unsigned flags, struct tenure_tenant **made) {
  return is_active() ? tenure_tenant_create(parent ? parent : tenure_root(), name, flags, made) : -ENOTSUP;
}
static int stats(struct tenure_tenant *tenant, struct tenure_tenant_stats *s) {
  s->struct_size = sizeof *s;
  return tenure_tenant_stats(tenant, s);
}
static size_t current_path(char *buffer, size_t size) {
  return tenure_available() ? tenure_tenant_path(tenure_current(), buffer, size) : 0;
}
*/
import "C"

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"syscall"
	"unsafe"
)

// ErrNotActive is what New returns where nothing would be limited.
var ErrNotActive = errors.New("tenure: the process's malloc is not Tenure's, so nothing would be limited: start the program by " +
	"`tenure run -- program`, or with LD_PRELOAD=libtenure.so in its environment")

// Unlimited is no limit.
const Unlimited = ^uint64(0)

// Limit says which.
type Limit int

// The limits, in bytes.
const (
	Min Limit = iota
	Low
	High
	Max
	Reserve
)

// Policy says what happens to a request that does not fit below Max.
type Policy int

// The policies.
const (
	FailLarge Policy = iota
	FailAll
	Observe
	Event
	Abort
)

// Options of New.
type Options struct {
	Parent   *Tenant
	Isolated bool
}

// Stats are bytes, but for the counts. Usage, Peak and Failures include all tenants below.
type Stats struct {
	Usage, Peak, Failures, Children uint64
}

// Tenant is a handle. The tenant lives until Offline.
type Tenant struct {
	handle *C.struct_tenure_tenant
}

// Active tells whether the process's malloc is Tenure's.
func Active() bool { return C.is_active() != 0 }

func failed(result C.int, what string) error {
	switch {
	case result >= 0:
		return nil
	case result == -C.ENOTSUP:
		return ErrNotActive
	}
	return fmt.Errorf("%s: %w", what, syscall.Errno(-result))
}

// New makes a tenant below options.Parent, or the root. Its limits are set before it is returned by who calls SetLimit.
func New(name string, options Options) (*Tenant, error) {
	if strings.IndexByte(name, 0) >= 0 {
		return nil, fmt.Errorf("tenant %q: %w", name, syscall.EINVAL)
	}
	text := C.CString(name)
	defer C.free(unsafe.Pointer(text))
	var parent, made *C.struct_tenure_tenant
	if options.Parent != nil {
		parent = options.Parent.handle
	}
	var flags C.uint
	if options.Isolated {
		flags |= C.TENURE_ISOLATED
	}
	if err := failed(C.create(parent, text, flags, &made), "tenant "+name); err != nil {
		return nil, err
	}
	tenant := &Tenant{made}
	runtime.SetFinalizer(tenant, func(t *Tenant) { C.tenure_tenant_close(t.handle) })
	return tenant, nil
}

// Do calls the function inside the tenant. The goroutine keeps its thread meanwhile; goroutines that it starts run outside.
func (t *Tenant) Do(work func()) {
	runtime.LockOSThread()
	outer := C.tenure_enter(t.handle)
	defer func() {
		C.tenure_leave(outer)
		runtime.UnlockOSThread()
		runtime.KeepAlive(t)
	}()
	work()
}

// Malloc returns memory of the tenant, which C.free frees, or nil.
func (t *Tenant) Malloc(size uint64) unsafe.Pointer {
	defer runtime.KeepAlive(t)
	return C.tenure_malloc(t.handle, C.size_t(size))
}

// Free frees memory of malloc, whoever's it is.
func Free(block unsafe.Pointer) { C.free(block) }

// SetLimit sets one.
func (t *Tenant) SetLimit(which Limit, bytes uint64) error {
	defer runtime.KeepAlive(t)
	return failed(C.tenure_tenant_set_limit(t.handle, C.enum_tenure_limit(which), C.size_t(bytes)), "limit")
}

// SetPolicy sets the policy.
func (t *Tenant) SetPolicy(policy Policy) error {
	defer runtime.KeepAlive(t)
	return failed(C.tenure_tenant_set_policy(t.handle, C.enum_tenure_policy(policy)), "policy")
}

// Stats tells what the tenant has.
func (t *Tenant) Stats() Stats {
	defer runtime.KeepAlive(t)
	var s C.struct_tenure_tenant_stats
	C.stats(t.handle, &s)
	return Stats{uint64(s.usage), uint64(s.peak), uint64(s.failures), uint64(s.children)}
}

// Offline ends the tenant. What is left of its memory is its parent's to pay. Recursive: tenants below go first.
func (t *Tenant) Offline(recursive bool) error {
	defer runtime.KeepAlive(t)
	var flags C.uint
	if recursive {
		flags = C.TENURE_RECURSIVE
	}
	return failed(C.tenure_tenant_offline(t.handle, flags), "offline")
}

// Current is the path of the tenant that the thread is inside of; "" without the library. To be called inside Do, or with the thread
// locked.
func Current() string {
	var buffer [2100]C.char
	length := C.current_path(&buffer[0], C.size_t(len(buffer)))
	return C.GoStringN(&buffer[0], C.int(length))
}
