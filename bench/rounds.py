"""The interleaved run that run.py and memory.py share: options, rounds, report.

A *work* object has `kind`, `titles`, `rows` (a dict in table order), `run(row, allocator)`, which
returns values by unit or raises harness.Failed, and `notes()`, lines to print below the table.
"""

import os
import pathlib
import random
import re
import sys
import time

import harness
import report

QUICK_SECONDS = 110  # what --quick may take


def add_options(parser):
    parser.add_argument("--rounds", type=int, help="rounds (default 5; with --quick fewer)")
    parser.add_argument("--filter", default="", help="regular expression over row names")
    parser.add_argument("--quick", action="store_true", help="a look: less work, fewer rounds")
    parser.add_argument("--allocators", default=",".join((*harness.PEERS, "tenure")),
                        help="comma-separated (default %(default)s); tenure-fallback is the one "
                        "without restartable sequences, NAME=FILE.so[;VARIABLE=VALUE] any other")
    parser.add_argument("--fallback", action="store_true", help="add tenure-fallback")
    parser.add_argument("--lib", default=harness.BUILD / "lib" / "libtenure.so",
                        help="the libtenure.so to measure")
    parser.add_argument("--bin", default=harness.BUILD / "bench", help="where bench_* were built")
    parser.add_argument("--results", default=harness.BENCH / "results", help="folder for the CSV")
    parser.add_argument("--settle", type=float, metavar="GIB", help="memory touched and freed "
                        "before each round (default 3, quick 1; 0 = not)")
    parser.add_argument("--seed", type=int, help="of the shuffling")


def fill_in(options, **defaults):
    """Defaults that depend on --quick: name=(usual, quick)."""
    for name, (usual, quick) in {**defaults, "settle": (3, 1)}.items():
        if getattr(options, name) is None:
            setattr(options, name, quick if options.quick else usual)


def pick_allocators(options):
    names = [n for n in options.allocators.split(",") if n]
    if options.fallback and "tenure-fallback" not in names:
        names.append("tenure-fallback")
    chosen = harness.allocators(names, options.lib)
    if not chosen:
        sys.exit("no allocator to run")
    return chosen


def measure_all(work, rows, chosen, options, samples):
    order = random.Random(options.seed)
    begun = time.monotonic()
    for number in range(options.rounds):
        started = time.monotonic()
        # On a busy machine a round takes several times as long: --quick keeps its promise.
        if options.quick and number and (started - begun) * (number + 1) / number > QUICK_SECONDS:
            print(f"only {number} of {options.rounds} rounds: the machine is busy", file=sys.stderr)
            break
        harness.settle_memory(options.settle)
        for row in order.sample(rows, len(rows)):
            for allocator in order.sample(chosen, len(chosen)):
                if samples.failed(row, allocator.name):
                    continue
                try:
                    for unit, value in work.run(row, allocator).items():
                        samples.add(row, unit, allocator.name, number, value)
                except harness.Failed as error:
                    samples.fail(row, allocator.name, error)
        print(f"round {number + 1} of {options.rounds}: {time.monotonic() - started:.0f} s",
              file=sys.stderr, flush=True)


def main(work, options):
    rows = [row for row in work.rows if re.search(options.filter, row)]
    if not rows:
        sys.exit(f"no row matches {options.filter!r}; rows: {' '.join(work.rows)}")
    chosen = pick_allocators(options)
    facts = harness.machine_facts(chosen)
    facts["revision"] = report.revision(harness.BENCH)
    facts["run"] = {k: v for k, v in vars(options).items()
                    if isinstance(v, (int, float, str)) and not isinstance(v, pathlib.Path)
                    and k not in ("lib", "bin", "results")}
    print(f"{facts['cpu']}, {facts['cpus usable']} CPUs, Linux {facts['kernel']}; "
          + "; ".join(f"{n}: {v}" for n, v in facts["allocators"].items()))
    if os.getloadavg()[0] > 0.5:
        print(f"note: load average {os.getloadavg()[0]:.2f}: other work disturbs the numbers")

    stolen = harness.StolenTime()
    samples = report.Samples(a.name for a in chosen)
    try:
        measure_all(work, rows, chosen, options, samples)
    except KeyboardInterrupt:
        print("interrupted: what was measured so far follows", file=sys.stderr)
    samples.sort(rows)
    facts["time stolen by the host, %"] = round(stolen.percent(), 2)
    notes = work.notes(samples)
    notes.append(f"time stolen by the host: {facts['time stolen by the host, %']} %")
    text = report.text(samples, work.titles, notes)
    print(text)
    report.save(report.results_folder(options.results, work.kind), samples, facts, text)
    return 1 if samples.failures else 0
