# A thin front: every target sees to its packages (scripts/deps.sh) and calls CMake or a script.
PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
export JOBS
DEPS := scripts/deps.sh

.PHONY: all build demo compare check check-long check-vm check-apps check-bindings bench install clean format tidy

all: build

build:
	@$(DEPS) build
	@cmake --preset release > /dev/null
	@cmake --build --preset release -j $(JOBS)

# Three services under limits, watched and changed from outside.
demo:
	@$(DEPS) build demo
	@$(MAKE) --no-print-directory build > /dev/null
	@tools/demo

# Real programs under the library, beside other allocators: same results, time and memory.
compare:
	@$(DEPS) build demo
	@$(MAKE) --no-print-directory build > /dev/null
	@tools/compare

check:
	@$(DEPS) build check
	@scripts/check.sh

check-long:
	@$(DEPS) build check
	@$(DEPS) aarch64
	@$(DEPS) vm
	@$(DEPS) bindings
	@scripts/check.sh --long

# Two NUMA nodes, Debian's kernel: in an emulated machine.
check-vm:
	@$(DEPS) build vm
	@$(MAKE) --no-print-directory build
	@scripts/check_vm.sh

check-apps:
	@$(DEPS) build demo
	@$(DEPS) apps
	@$(MAKE) --no-print-directory build
	@tests/apps/run

# Python, Rust, Node, Lua, Go, Java and C++: each as its users build it.
check-bindings:
	@$(DEPS) build bindings
	@$(MAKE) --no-print-directory build
	@bindings/check build/release/lib/libtenure.so build/bindings

bench:
	@$(DEPS) build
	@$(DEPS) bench
	@$(MAKE) --no-print-directory build
	@python3 bench/run.py

install:
	@$(DEPS) build
	@cmake --preset release -DCMAKE_INSTALL_PREFIX=$(PREFIX) > /dev/null
	@cmake --build --preset release -j $(JOBS)
	@DESTDIR=$(DESTDIR) cmake --install build/release
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" = 0 ]; then ldconfig; fi

format:
	@$(DEPS) check
	@scripts/format.sh

tidy:
	@$(DEPS) build check
	@scripts/tidy.sh --all

clean:
	@rm -rf build
