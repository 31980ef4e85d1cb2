#!/usr/bin/env python3
"""What tenants cost: Tenure's beside arenas of jemalloc and heaps of mimalloc, where those have the
operation.

Rows and allocators take turns, as in run.py; what is compared with each other within an allocator
(inside a tenant and in the root) takes turns in one process.
"""

import argparse
import os
import random
import re
import subprocess
import sys

import harness
import report

ROWS = ["pair/16", "pair/64", "pair/1024", "batch/64", "pooled/64", "switch", "create", "offline/1000",
        "offline/1000000", "freed/1000", "freed/1000000", "waiting", "storm/2", "storm/4", "storm/8", "cycles/1000000",
        "many/100000", "requests/1000/1", "requests/1000/2", "requests/10000/1",
        "requests/10000/2", "random/1/1000", "random/1000/10", "random/1000/1000",
        "random/20000/10", "random/100000/10", "isolation"]

# What is asked of Tenure: description, value from medians, the most it may be, format.
TARGETS = [
    *((f"malloc+free of {size} B inside a tenant, to that in the root",
       lambda m, size=size: m(f"pair/{size} inside") / m(f"pair/{size} root"), 1.03, "{:.3f}")
      for size in (16, 64, 1024)),
    ("a batch of 1000 inside a tenant, to that in the root",
     lambda m: m("batch/64 inside") / m("batch/64 root"), 1.03, "{:.3f}"),
    ("malloc+free of a pooled object, to that in the root",
     lambda m: m("pooled/64 inside") / m("pooled/64 root"), 2.5, "{:.2f}"),
    ("one switch of tenant, ns", lambda m: m("switch"), 2.0, "{:.2f}"),
    ("offline with 1,000,000 live objects, to that with 1,000",
     lambda m: m("offline/1000000") / m("offline/1000"), 1.5, "{:.2f}"),
    ("offline with 1,000 live objects and 1,000,000 free ones, to that with none",
     lambda m: m("freed/1000") / m("offline/1000"), 1.5, "{:.2f}"),
    ("offline with 1,000,000 live objects and 1,000,000 free ones, to that with none",
     lambda m: m("freed/1000000") / m("offline/1000000"), 1.5, "{:.2f}"),
    ("longest wait of another thread's create meanwhile, us",
     lambda m: m("waiting"), 1000, "{:.0f}"),
    *((f"64 KiB charged each time by {threads} threads below a limit, to that without",
       lambda m, row=f"storm/{threads}": m(f"{row} limited") / m(f"{row} unlimited"), 3.0, "{:.2f}")
      for threads in (2, 4, 8)),
    *((f"requests of {count:,} tenants, {threads} thread{'s' * (threads > 1)}, to none: {what}",
       lambda m, row=f"requests/{count}/{threads}", part=part:
       m(f"{row} inside{part}") / m(f"{row} none{part}"), most, "{:.2f}")
      for count in (1000, 10000) for threads in (1, 2)
      for what, part, most in (("time", "", 1.6), ("resident memory", " resident", 1.15))),
    *((f"free+malloc of a random one of {count:,} tenants with {each:,} objects, ns",
       lambda m, row=f"random/{count}/{each}": m(row), most, "{:.1f}")
      for count, each, most in ((1000, 10, 45), (1000, 1000, 110), (20000, 10, 130),
                                (100000, 10, 200))),
    ("growth over a million tenants that came and went, MiB",
     lambda m: m("cycles/1000000 growth"), 1.0, "{:.2f}"),
    ("an idle one of 100,000 tenants, bytes all in all",
     lambda m: m("many/100000 idle"), 512, "{:.0f}"),
    ("one of 100,000 tenants with 10 objects, bytes beyond payload",
     lambda m: m("many/100000 beyond payload"), 1024, "{:.0f}"),
    ("creating one of 100,000 tenants, ns",
     lambda m: m("many/100000 create"), 3000, "{:.0f}"),
    ("taking one of 100,000 tenants with 10 objects offline, ns",
     lambda m: m("many/100000 offline"), 10000, "{:.0f}"),
    ("a neighbour beside a tenant at its limit, to one beside a spinning thread",
     lambda m: m("isolation pressed") / m("isolation quiet"), 1.05, "{:.3f}"),
]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, help="rounds (default 5, quick 2)")
    parser.add_argument("--seconds", type=float, help="a row (default 0.5, quick 0.1)")
    parser.add_argument("--quick", action="store_true", help="a look: short rows, 20,000 cycles")
    parser.add_argument("--filter", default="", help="regular expression over row names")
    parser.add_argument("--allocators", default="tenure,jemalloc,mimalloc,glibc",
                        help="comma-separated (default %(default)s)")
    parser.add_argument("--lib", default=harness.BUILD / "lib" / "libtenure.so",
                        help="the libtenure.so to measure")
    parser.add_argument("--bin", default=harness.BUILD / "bench", help="where bench_tenants is")
    parser.add_argument("--results", default=harness.BENCH / "results", help="folder for the CSV")
    options = parser.parse_args()
    options.rounds = options.rounds or (2 if options.quick else 5)
    options.seconds = options.seconds or (0.1 if options.quick else 0.5)
    return options


def run_row(program, row, allocator, options):
    """(row and name, unit, value) for each line that the program prints."""
    arguments = [row]
    # Beside it, as memory is compared, in a process of its own: as many stores and no tenants.
    if row.startswith("requests/"):
        arguments = random.sample([row, row.replace("requests/", "stores/")], 2)
    # A cycle of jemalloc takes tens of microseconds and leaves kilobytes behind.
    if row.startswith("cycles/") and (options.quick or not allocator.is_tenure):
        arguments = ["cycles/20000"]
    # It has 4094 arenas at most; as many heaps of mimalloc take half a gigabyte.
    if row.startswith("many/") and not allocator.is_tenure:
        arguments = ["many/4000"]
    for argument in arguments:
        for line in run_program(program, argument, allocator, options).splitlines():
            name, unit, value = line.split("\t")
            yield f"{row} {name}".strip(), unit, float(value)


def run_program(program, argument, allocator, options):
    try:
        done = subprocess.run([str(program), argument, str(options.seconds)], capture_output=True,
                              env=allocator.environment(), text=True, timeout=300)
    except subprocess.TimeoutExpired as error:
        raise harness.Failed("no end within 300 s") from error
    if done.returncode != 0:
        raise harness.Failed(f"exit status {done.returncode}: {done.stderr.strip()[-300:]}")
    return done.stdout


def measure_all(program, rows, chosen, options, samples):
    order = random.Random()
    for number in range(options.rounds):
        for row in order.sample(rows, len(rows)):
            for allocator in order.sample(chosen, len(chosen)):
                if samples.failed(row, allocator.name):
                    continue
                try:
                    for name, unit, value in run_row(program, row, allocator, options):
                        samples.add(name, unit, allocator.name, number, value)
                except harness.Failed as error:
                    samples.fail(row, allocator.name, error)
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr, flush=True)


def table(samples):
    rows = [["row", "unit", *samples.names, "±"]]
    for key in samples.values:
        rows.append([*key, *(report.number(samples.median(key, n)) for n in samples.names),
                     f"{100 * max(samples.spread(key, n) for n in samples.names):.0f}%"])
    return report.layout(rows)


def targets(samples):
    def median(name):
        for key in samples.values:
            if key[0] == name and (value := samples.median(key, "tenure")) is not None:
                return value
        raise KeyError(name)

    lines = []
    for what, value_of, most, form in TARGETS:
        try:
            value = value_of(median)
        except (KeyError, ZeroDivisionError):
            continue
        verdict = "met" if value <= most else "MISSED"
        lines.append([what, form.format(value), f"<= {most:g}", verdict])
    return report.layout([["asked of Tenure", "is", "at most", ""], *lines]) if lines else []


def main():
    options = arguments()
    rows = [row for row in ROWS if re.search(options.filter, row)]
    if not rows:
        sys.exit(f"no row matches {options.filter!r}; rows: {' '.join(ROWS)}")
    program = harness.find_program("bench_tenants", options.bin)
    chosen = harness.allocators([n for n in options.allocators.split(",") if n], options.lib)
    if not chosen:
        sys.exit("no allocator to run")
    facts = harness.machine_facts(chosen)
    facts["revision"] = report.revision(harness.BENCH)
    if os.getloadavg()[0] > 0.5:
        print(f"note: load average {os.getloadavg()[0]:.2f}: other work disturbs the numbers")
    samples = report.Samples(a.name for a in chosen)
    measure_all(program, rows, chosen, options, samples)
    samples.sort([f"{row}{part}" for row in rows
                  for part in ("", " root", " inside", " none", " inside resident",
                               " none resident", " growth", " growth each", " cycle",
                               " quiet", " pressed", " limited", " unlimited",
                               " create", " idle", " beyond payload", " offline")])
    failures = [f"FAILED {row} under {name}: {reason}" for row, name, reason in samples.failures]
    text = "\n".join([*table(samples), "", *targets(samples), *failures])
    print(text)
    report.save(report.results_folder(options.results, "tenants"), samples, facts, text)
    return 1 if samples.failures else 0


if __name__ == "__main__":
    sys.exit(main())
