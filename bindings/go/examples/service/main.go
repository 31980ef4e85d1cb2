// A store for many customers in one process, each with a quota for its values, which are in C memory.
//
//	PUT /<customer>/<key>   keeps the body          507 when the customer's quota is used up
//	GET /<customer>/<key>   returns the body           404
//	GET /<customer>         the customer's figures
//
// tenure run -- service [port]                       (port 0: a free port, which is printed)
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"unsafe"

	"tenure"
)

const quota = 16 << 20

type customer struct {
	tenant *tenure.Tenant
	mutex  sync.RWMutex
	values map[string][]byte // Each is C memory of the tenant
}

var (
	mutex     sync.Mutex
	customers = map[string]*customer{}
)

func customerOf(name string) (*customer, error) {
	mutex.Lock()
	defer mutex.Unlock()
	if found := customers[name]; found != nil {
		return found, nil
	}
	tenant, err := tenure.New(name, tenure.Options{})
	if err != nil {
		return nil, err
	}
	if err := tenant.SetLimit(tenure.Max, quota); err != nil {
		return nil, err
	}
	customers[name] = &customer{tenant: tenant, values: map[string][]byte{}}
	return customers[name], nil
}

func (c *customer) put(key string, length int64, from io.Reader) (bool, error) {
	if length < 0 || length > quota {
		return false, nil
	}
	block := c.tenant.Malloc(uint64(length))
	if block == nil {
		return false, nil
	}
	value := unsafe.Slice((*byte)(block), length)
	if _, err := io.ReadFull(from, value); err != nil {
		tenure.Free(block)
		return false, err
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if old := c.values[key]; len(old) > 0 {
		tenure.Free(unsafe.Pointer(&old[0]))
	}
	c.values[key] = value
	return true, nil
}

func serve(w http.ResponseWriter, r *http.Request) {
	name, key, _ := strings.Cut(strings.Trim(r.URL.Path, "/"), "/")
	c, err := customerOf(name)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if r.Method == http.MethodPut && key != "" {
		kept, err := c.put(key, r.ContentLength, r.Body)
		switch {
		case err != nil:
			http.Error(w, err.Error(), http.StatusBadRequest)
		case !kept:
			w.WriteHeader(http.StatusInsufficientStorage)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
		return
	}
	c.mutex.RLock()
	defer c.mutex.RUnlock()
	if key == "" {
		stats := c.tenant.Stats()
		fmt.Fprintf(w, "%d %d\n", stats.Usage, stats.Failures)
	} else if value, there := c.values[key]; there {
		w.Write(value)
	} else {
		w.WriteHeader(http.StatusNotFound)
	}
}

func main() {
	if !tenure.Active() {
		log.Fatal(tenure.ErrNotActive)
	}
	port := "8080"
	if len(os.Args) > 1 {
		port = os.Args[1]
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	log.Fatal(http.Serve(listener, http.HandlerFunc(serve)))
}
