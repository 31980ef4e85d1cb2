"""Shared by run.py and memory.py: allocators, clean environments, and steady conditions."""

import collections
import glob
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile

BENCH = pathlib.Path(__file__).resolve().parent
BUILD = BENCH.parent / "build" / "release"

# What would change an allocator's behaviour behind our back. TENURE_* is kept: it is what a caller
# of these scripts varies, and it is recorded.
FOREIGN_VARIABLES = re.compile(
    r"^(LD_PRELOAD|MALLOC_.*|_RJEM_MALLOC_CONF|MIMALLOC_.*|TCMALLOC_.*|GLIBC_TUNABLES)$")

PEERS = ("glibc", "jemalloc", "mimalloc", "tcmalloc")
# Debian's packages: name, file name pattern, package.
PEER_LIBRARIES = {
    "jemalloc": ("libjemalloc.so.2", "libjemalloc2"),
    "mimalloc": ("libmimalloc.so.[0-9]", "libmimalloc2.0"),
    "tcmalloc": ("libtcmalloc_minimal.so.4", "libtcmalloc-minimal4"),
}
# With restartable sequences of threads that glibc registers, that the library registers itself, and without.
TENURE_MODES = {
    "tenure": None,
    "tenure-own": {"GLIBC_TUNABLES": "glibc.pthread.rseq=0"},
    "tenure-fallback": {"TENURE_RSEQ": "off"},
}


class Allocator:
    def __init__(self, name, library=None, variables=None):
        self.name = name
        self.library = library
        self.variables = dict(variables or {})
        if library:
            self.variables["LD_PRELOAD"] = str(library)

    @property
    def is_tenure(self):
        return self.name.startswith("tenure")

    def environment(self):
        return {**clean_environment(), **self.variables}


def clean_environment():
    return {k: v for k, v in os.environ.items() if not FOREIGN_VARIABLES.match(k)}


def find_library(pattern):
    for folder in (f"/usr/lib/{platform.machine()}-linux-gnu", "/usr/lib64", "/usr/lib",
                   "/usr/local/lib"):
        found = sorted(glob.glob(f"{folder}/{pattern}"))
        if found:
            return pathlib.Path(found[0])
    return None


def allocators(names, tenure_library):
    """The allocators that are there, in the given order; says in one line what is missing."""
    chosen = []
    for name in names:
        if name == "glibc":
            chosen.append(Allocator(name))
        elif name in PEER_LIBRARIES:
            pattern, package = PEER_LIBRARIES[name]
            library = find_library(pattern)
            if library:
                chosen.append(Allocator(name, library))
            else:
                print(f"missing: {name} (Debian package {package})", file=sys.stderr)
        elif name in TENURE_MODES:
            library = pathlib.Path(tenure_library).resolve()
            if library.exists():
                chosen.append(Allocator(name, library, TENURE_MODES[name]))
            else:
                print(f"missing: {name} (build libtenure.so or give --lib)", file=sys.stderr)
        else:
            sys.exit(f"unknown allocator {name}; known: {', '.join([*PEERS, *TENURE_MODES])}")
    for allocator in chosen:
        require_in_effect(allocator)
    return chosen


def require_in_effect(allocator):
    """ld.so goes on with glibc's malloc where it cannot preload: that must not become a row."""
    if not allocator.library:
        return
    probe = subprocess.run(["cat", "/proc/self/maps"], env=allocator.environment(),
                           capture_output=True, text=True)
    if probe.returncode == 0 and str(allocator.library.resolve()) in probe.stdout:
        return
    sys.exit(f"{allocator.name} does not work even for cat: exit status {probe.returncode}: "
             f"{probe.stderr.strip()} (--allocators leaves it out)")


def version(allocator):
    """A line for the record: package version, or what the library says of itself."""
    if allocator.name == "glibc":
        return " ".join(platform.libc_ver())
    if allocator.name in PEER_LIBRARIES:
        package = PEER_LIBRARIES[allocator.name][1]
        query = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}", package],
                               capture_output=True, text=True)
        return query.stdout if query.returncode == 0 else allocator.library.resolve().name
    code = ("import ctypes; l = ctypes.CDLL(None); s = []\n"
            "for f in (l.tenure_version, l.tenure_mode):\n"
            "  f.restype = ctypes.c_char_p; s.append(f().decode())\n"
            "print(*s)")
    query = subprocess.run([sys.executable, "-c", code], env=allocator.environment(),
                           capture_output=True, text=True)
    return query.stdout.strip() if query.returncode == 0 else "unknown"


def machine_facts(chosen):
    def read(path):
        try:
            return pathlib.Path(path).read_text().strip()
        except OSError:
            return "unknown"

    cpu = re.search(r"^model name\s*:\s*(.*)$", read("/proc/cpuinfo"), re.M)
    memory = re.search(r"^MemTotal:\s*(\d+)", read("/proc/meminfo"), re.M)
    governor = read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    return {
        "cpu": cpu.group(1) if cpu else platform.processor() or platform.machine(),
        "cpus usable": len(os.sched_getaffinity(0)),
        "memory GiB": round(int(memory.group(1)) / 2**20, 1) if memory else "unknown",
        "kernel": platform.release(),
        "transparent huge pages": read("/sys/kernel/mm/transparent_hugepage/enabled"),
        "frequency governor": governor,
        "overcommit": read("/proc/sys/vm/overcommit_memory"),
        "load average before": os.getloadavg()[0],
        "options": {k: v for k, v in os.environ.items() if k.startswith("TENURE_")},
        "allocators": {a.name: version(a) for a in chosen},
    }


def settle_memory(gib):
    """Makes the host of a virtual machine back the memory we are about to use.

    It may have taken free huge pages back, and a run that faults them in again pays seconds of
    system time by chance. A child does it, so that our own peak RSS stays small.
    """
    if gib <= 0:
        return
    available = re.search(r"^MemAvailable:\s*(\d+)", pathlib.Path("/proc/meminfo").read_text(), re.M)
    size = min(int(gib * 2**30), int(available.group(1)) * 1024 // 2 if available else 2**30)
    size -= size % (2 << 20)
    code = ("import mmap, sys\n"
            "size = int(sys.argv[1])\n"
            "m = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\n"
            "try: m.madvise(mmap.MADV_HUGEPAGE); step = 2 << 20\n"
            "except (OSError, AttributeError): step = 4096\n"
            "for i in range(0, size, step): m[i] = 1\n")
    subprocess.run([sys.executable, "-c", code, str(size)], env=clean_environment(), check=False)


class StolenTime:
    """The share of CPU time the host gave to others between start and end, in per cent."""

    def __init__(self):
        self.before = self.read()

    @staticmethod
    def read():
        fields = pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
        return [int(f) for f in fields]

    def percent(self):
        delta = [b - a for a, b in zip(self.before, self.read())]
        return 100.0 * delta[7] / max(1, sum(delta[:8])) if len(delta) > 7 else 0.0


class Failed(Exception):
    """A run without a number, and why."""


Usage = collections.namedtuple("Usage", "seconds cpu_seconds peak_mib output")


def measure(launcher, allocator, command, cwd=None, timeout=600, variables=None):
    """Runs a command through bench_measure; raises Failed where it does not exit with 0."""
    with tempfile.NamedTemporaryFile("r", prefix="bench-measure-") as record:
        settings = {**allocator.variables, **(variables or {})}
        full = [str(launcher), record.name, *(f"{k}={v}" for k, v in settings.items()), "--",
                *map(str, command)]
        try:
            done = subprocess.run(full, env=clean_environment(), cwd=cwd, capture_output=True,
                                  timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise Failed(f"no end within {timeout} s") from error
        if done.returncode != 0:
            raise Failed(f"exit status {done.returncode}: "
                         + done.stderr.decode(errors="replace").strip()[-300:])
        numbers = dict(line.split(" ", 1) for line in record.read().splitlines())
    wall, user, system = map(float, numbers["seconds"].split())
    return Usage(wall, user + system, int(numbers["peak_kib"]) / 1024, done.stdout)


def find_program(name, folder):
    program = pathlib.Path(folder) / name
    if not program.exists():
        sys.exit(f"{program.name} is not built: cmake --build --preset release "
                 "(bench_micro needs libbenchmark-dev), or give --bin")
    return program.resolve()
