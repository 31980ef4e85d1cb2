#!/usr/bin/env python3
"""check_library.py <libtenure.so>: what it exports, what it needs, how it is laid out."""
import re
import sys

import c_headers
import elf

MALLOC = """malloc free calloc realloc reallocarray aligned_alloc posix_memalign memalign valloc pvalloc
    malloc_usable_size malloc_trim mallinfo mallinfo2 mallopt malloc_stats malloc_info free_sized
    free_aligned_sized cfree
    __libc_malloc __libc_free __libc_calloc __libc_realloc __libc_memalign __libc_valloc __libc_pvalloc
    __posix_memalign""".split()
# A process that leaves without exit() takes the file of its live region with it.
PROCESS = ["vfork", "_exit", "_Exit"]
# Without RTLD_DEEPBIND; and with code forgotten that goes.
LOADER = ["dlopen", "dlclose"]

# Wrapped: where a program says within which bounds it is to live.
BOUNDS = ["prctl", "setrlimit", "setrlimit64", "prlimit", "prlimit64"]

# Wrapped, so that what the program maps counts for the limit of the process.
MAPPING = ["mmap", "mmap64", "munmap", "mremap", "mprotect", "pkey_mprotect", "madvise", "brk", "sbrk"]

# Wrapped, so that threads can start inside a tenant.
THREADS = ["pthread_create"]

# Without the helper thread, where the program has no other.
NAMESPACES = ["unshare", "setns"]

# Operator new and delete, mangled: m is size_t, St11align_val_t and RKSt9nothrow_t as they read.
NOTHROW, ALIGN = "RKSt9nothrow_t", "St11align_val_t"
NEW = [f"_Zn{form}m{align}{nothrow}"
       for form in "wa" for align in ("", ALIGN) for nothrow in ("", NOTHROW)]
DELETE = [f"_Zd{form}Pv{rest}" for form in "la"
          for rest in ("", "m", NOTHROW, ALIGN, "m" + ALIGN, ALIGN + NOTHROW)]
# The 20 replaceable forms of the standard. No compiler calls delete with a size and nothrow_t; libraries
# that export those forms as well do no harm.
OPERATORS = NEW + DELETE
TOLERATED = {f"_Zd{form}Pvm{align}{NOTHROW}" for form in "la" for align in ("", ALIGN)}
# Cancellation points: the library makes these calls bare (base/system/system_calls.h). fprintf writes where the caller of
# malloc_info wants it.
CANCELLATION_POINTS = re.compile(r"^(open|openat|read|pread|write|writev|pwrite|close|poll|ppoll|nanosleep|"
                                 r"clock_nanosleep|usleep|sleep|pause|fcntl|fsync)(64)?@")
MAX_TLS_BYTES = 64
NEEDED = re.compile(r"^(libc\.so\.6|ld-linux[\w.-]*)$")


def api():
    """The functions that the C headers declare."""
    text = re.sub(r"static inline [^;{]*", " ", c_headers.text(inline=False))
    # Inside a parameter list a name before a parenthesis is a function type, not a declaration.
    return set(re.findall(r"\b(tenure_\w+)\s*\((?!\s*\*)", text))


def check_exports(path):
    defined, undefined = elf.dynamic_symbols(path)
    problems = []
    versions = dict(name.split("@@") if "@@" in name else (name, "") for name in defined)
    wanted = {name: "" for name in
              MALLOC + THREADS + NAMESPACES + PROCESS + LOADER + BOUNDS + MAPPING + OPERATORS}
    wanted |= {name: "TENURE_1.0" for name in api()}
    for name in sorted(wanted.keys() - versions.keys()):
        problems.append(f"not exported: {name}")
    for name in sorted(versions.keys() - wanted.keys() - TOLERATED):
        problems.append(f"exported, and should not be: {name}")
    for name in sorted(versions.keys() & wanted.keys()):
        if versions[name] != wanted[name]:
            # A versioned malloc is passed over by ld.so: see api/tenure.map.
            problems.append(f"{name} has version '{versions[name]}' instead of '{wanted[name]}'")
    for name in undefined:
        if name.startswith("__tls_get_addr"):
            problems.append("a thread-local is not initial-exec: __tls_get_addr is called")
        if CANCELLATION_POINTS.match(name):
            problems.append(f"calls {name}, at which a cancelled thread would leave the library")
        if re.search(r"@(GLIBCXX|CXXABI|GCC)_", name):
            problems.append(f"needs {name} of the compiler's runtime")
    return problems


def check_layout(path):
    problems = [f"needs {name}" for name in elf.needed(path) if not NEEDED.match(name)]
    flags = elf.flags(path)
    problems += [f"linked without {flag}" for flag in ("NODELETE", "NOW") if flag not in flags]
    segments = elf.segments(path)
    if "GNU_RELRO" not in segments:
        problems.append("linked without relro")
    if "E" in segments["GNU_STACK"][1]:
        problems.append("wants an executable stack")
    tls = segments.get("TLS", (0, ""))[0]
    if tls > MAX_TLS_BYTES:
        problems.append(f"{tls} bytes of thread-locals, more than {MAX_TLS_BYTES}")
    dynamic_tls = [t for t in elf.relocation_types(path) if re.search("DTPMOD|DTPREL|DTPOFF|TLSDESC", t)]
    if dynamic_tls:
        problems.append(f"thread-locals that are not initial-exec: {', '.join(dynamic_tls)}")
    return problems


def main():
    path = sys.argv[1]
    problems = check_exports(path)
    problems += check_layout(path)
    tls = elf.segments(path).get("TLS", (0, ""))[0]
    print("\n".join(problems) or f"exports as wanted, {tls} bytes of TLS, needs "
          + " ".join(elf.needed(path)))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
