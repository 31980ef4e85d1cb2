package tenure

import (
	"errors"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
)

const mib = 1 << 20

func need(t *testing.T) {
	if os.Getenv("LD_PRELOAD") == "" {
		t.Skip("without the library")
	}
}

func made(t *testing.T, name string, max uint64) *Tenant {
	tenant, err := New(name, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := tenant.SetLimit(Max, max); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if usage := tenant.Stats().Usage; usage != 0 {
			t.Errorf("%s: %d bytes are left", name, usage)
		}
		tenant.Offline(true)
	})
	return tenant
}

func TestClosed(t *testing.T) {
	if os.Getenv("LD_PRELOAD") != "" {
		t.Skip("with the library")
	}
	_, err := New("t", Options{})
	if Active() || Current() != "" || !errors.Is(err, ErrNotActive) || !strings.Contains(err.Error(), "tenure run") {
		t.Fatal(err)
	}
}

func TestAFullTenantIsRefusedAndOthersGoOn(t *testing.T) {
	need(t)
	full, other := made(t, "full", 8*mib), made(t, "other", 64*mib)
	full.Do(func() {
		if allocate(16*mib) != nil {
			t.Error("beyond the limit")
		}
		other.Do(func() {
			block := allocate(16 * mib)
			if block == nil || other.Stats().Usage < 16*mib {
				t.Error("the neighbour's")
			}
			Free(block)
		})
		if Current() != "/full" {
			t.Error(Current())
		}
	})
	if full.Malloc(16*mib) != nil || full.Stats().Failures != 2 {
		t.Error(full.Stats())
	}
	block := full.Malloc(mib)
	var group sync.WaitGroup
	group.Add(1)
	go func() { Free(block); group.Done() }()
	group.Wait()
}

func TestGoroutinesDoNotMix(t *testing.T) {
	need(t)
	var group sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d"} {
		tenant := made(t, name, 64*mib)
		group.Add(1)
		go func(path string) {
			defer group.Done()
			for i := 0; i < 200; i++ {
				tenant.Do(func() {
					pause()
					if Current() != path {
						t.Errorf("%s in %s", path, Current())
					}
				})
			}
		}("/" + name)
	}
	group.Wait()
}

func TestPanicsLeave(t *testing.T) {
	need(t)
	tenant := made(t, "panics", mib)
	func() {
		defer func() { recover() }()
		tenant.Do(func() { panic("x") })
	}()
	made(t, "outer", mib).Do(func() {
		if Current() != "/outer" {
			t.Error(Current())
		}
	})
}

func TestErrors(t *testing.T) {
	need(t)
	tenant := made(t, "named", mib)
	child, err := New("child", Options{Parent: tenant})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want syscall.Errno
		work func() error
	}{
		{syscall.EEXIST, func() error { _, err := New("named", Options{}); return err }},
		{syscall.EINVAL, func() error { _, err := New("a/b", Options{}); return err }},
		{syscall.EINVAL, func() error { _, err := New("a\x00b", Options{}); return err }},
		{syscall.EBUSY, func() error { return tenant.Offline(false) }},
		{syscall.EINVAL, func() error { return tenant.SetPolicy(99) }},
	} {
		if err := c.work(); !errors.Is(err, c.want) {
			t.Errorf("%v instead of %v", err, c.want)
		}
	}
	child.Offline(false)
	if err := child.SetLimit(Max, 1); !errors.Is(err, syscall.ENODEV) {
		t.Error(err)
	}
}

