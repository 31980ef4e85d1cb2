#!/usr/bin/env python3
"""Micro-benchmarks and synthetic programs under each allocator in turn.

Each (row, allocator) runs in a process of its own, and the allocators take turns within a row, in a
new order each time: what disturbs the machine for a second disturbs all of them.
"""

import argparse
import json
import re
import subprocess
import sys
import time

import harness
import rounds

PROGRAMS = [  # name, numbers of threads
    ("larson", (1, 2, 8)),
    ("exchange", (1, 2, 8)),
    ("handover", (2, 8)),
    ("scratch", (1, 2, 8)),
    ("random_sizes", (1, 2, 8)),
    ("working_set", (1, 2, 8)),
    ("mixed_orders", (1, 2, 8)),
    ("mixed_owners", (1, 2, 8)),
    ("large_blocks", (1, 2)),
    ("latency", (2,)),
]
# Rows in the order of the table; Google Benchmark lists them in the order of linking.
FAMILIES = ["pair", "new_delete", "churn", "aligned_pair", "batch1000_lifo", "batch1000_fifo",
            "batch1000_random", "batch100k_random", "producer_consumer", "thread_spawn",
            "calloc_touched", "realloc_grow", "realloc_append",
            "realloc_step", "large_pair", "large_touched",
            "large_live", "large_live_touched"]

PARALLEL = 1.8  # CPUs that two spinning threads must have had, or they took turns


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    rounds.add_options(parser)
    parser.add_argument("--min-time", type=float, help="seconds a row (default 0.1, quick 0.02)")
    parser.add_argument("--programs", action="store_true",
                        help="the synthetic programs (time and peak RSS) instead of the rows")
    parser.add_argument("--scale", type=int, help="per cent of a program's work "
                        "(default 100, quick 20)")
    options = parser.parse_args()
    rounds.fill_in(options, rounds=(5, 3), min_time=(0.1, 0.02), scale=(100, 20))
    return options


def row_name(benchmark):
    """The name without what Google Benchmark adds, and with sizes a reader takes in."""
    name = re.sub(r"/(real_time|process_time|threads:\d+)", "", benchmark)

    def short(match):
        size = int(match.group(1))
        for unit, bytes_per in (("M", 2**20), ("K", 2**10)):
            if size >= 4 * 2**10 and size % bytes_per == 0 and size >= bytes_per:
                return f"/{size // bytes_per}{unit}"
        return match.group(0)

    return re.sub(r"/(\d+)", short, name)


def micro_rows(binary):
    listed = subprocess.run([binary, "--benchmark_list_tests"], capture_output=True, text=True,
                            check=True, env=harness.clean_environment()).stdout.split()

    def place(benchmark):
        family = benchmark.split("/")[0]
        return FAMILIES.index(family) if family in FAMILIES else len(FAMILIES)

    return {row_name(b): b for b in sorted(listed, key=place)}


def run_micro_row(binary, benchmark, allocator, min_time):
    """Nanoseconds an item (a pair, an object, a realloc, a thread), and whether its threads, if it
    has several, really ran side by side."""
    command = [str(binary), f"--benchmark_filter=^{re.escape(benchmark)}$",
               f"--benchmark_min_time={min_time}",
               f"--benchmark_min_warmup_time={min_time / 4}", "--benchmark_format=json"]
    try:
        done = subprocess.run(command, env=allocator.environment(), capture_output=True, text=True,
                              timeout=120)
    except subprocess.TimeoutExpired as error:
        raise harness.Failed("no end within 120 s") from error
    if done.returncode != 0:
        raise harness.Failed(f"exit status {done.returncode}: {done.stderr.strip()[-300:]}")
    try:
        result = json.loads(done.stdout)["benchmarks"][0]
        return 1e9 / result["items_per_second"], result.get("parallel", 2.0) > PARALLEL
    except (ValueError, LookupError) as error:
        raise harness.Failed(f"no result: {done.stderr.strip()[-300:]}") from error


class MicroRows:
    kind = "micro"
    titles = [("ns", "micro-benchmarks")]

    def __init__(self, options):
        self.binary = harness.find_program("bench_micro", options.bin)
        self.min_time = options.min_time
        self.rows = micro_rows(self.binary)
        self.serialised = {}  # rows and how often their threads took turns
        self.attempts = 2 if options.quick else 4

    def run(self, row, allocator):
        for attempt in range(self.attempts):
            time.sleep(0.2 * attempt)
            value, parallel = run_micro_row(self.binary, self.rows[row], allocator, self.min_time)
            if parallel:
                return {"ns": value}
        self.serialised[row] = self.serialised.get(row, 0) + 1
        return {}  # rather no value than one of another experiment

    def notes(self, _samples):
        return [f"DISTURBED {row}: {count} values dropped, the two threads had to share a CPU; "
                "repeat on an idle machine" for row, count in self.serialised.items()]


class ProgramRows:
    kind = "programs"
    titles = [("s", "synthetic programs, time"), ("cpu s", "synthetic programs, CPU time"),
              ("MiB", "synthetic programs, peak RSS"),
              ("p99.9 ns", "single calls of malloc, all but one in a thousand"),
              ("longest us", "single calls of malloc, the longest")]

    def __init__(self, options):
        self.launcher = harness.find_program("bench_measure", options.bin)
        self.rows = {f"{name}/{threads}":
                     [harness.find_program(f"bench_{name}", options.bin), threads, options.scale]
                     for name, counts in PROGRAMS for threads in counts}

    def run(self, row, allocator):
        usage = harness.measure(self.launcher, allocator, self.rows[row], timeout=120)
        match = re.search(rb"^seconds ([0-9.]+)$", usage.output, re.M)
        if not match:
            raise harness.Failed("no result")
        values = {"s": float(match.group(1)), "cpu s": usage.cpu_seconds, "MiB": usage.peak_mib}
        for unit in ("p99.9 ns", "longest us"):
            if found := re.search(rb"^%s ([0-9.]+)$" % re.escape(unit.encode()), usage.output, re.M):
                values[unit] = float(found.group(1))
        return values

    def notes(self, _samples):
        return []


def main():
    options = arguments()
    return rounds.main(ProgramRows(options) if options.programs else MicroRows(options), options)


if __name__ == "__main__":
    sys.exit(main())
