"""Medians, the table with its verdicts, and the CSV files of run.py and memory.py."""

import csv
import datetime
import json
import math
import pathlib
import statistics
import subprocess

TIE = {"ns": 0.07, "s": 0.07, "cpu s": 0.07, "MiB": 0.02,
       "p99.9 ns": 0.07, "longest us": 0.5}  # two values closer than this are a tie


class Samples:
    """Values by (row, metric) and allocator, in the order in which rows were first seen."""

    def __init__(self, names):
        self.names = list(names)
        self.values = {}
        self.failures = []
        self.raw = []

    def add(self, row, unit, name, round_number, value):
        self.values.setdefault((row, unit), {}).setdefault(name, []).append(value)
        self.raw.append((row, unit, name, round_number, value))

    def sort(self, rows):
        place = {row: i for i, row in enumerate(rows)}
        self.values = dict(sorted(self.values.items(), key=lambda item: place[item[0][0]]))

    def fail(self, row, name, reason):
        entry = (row, name, " ".join(str(reason).split()))
        if entry not in self.failures:
            self.failures.append(entry)

    def failed(self, row, name):
        return any(f[0] == row and f[1] == name for f in self.failures)

    def median(self, key, name):
        # A row that failed once has no median: the rounds that worked would hide it.
        values = self.values[key].get(name)
        return statistics.median(values) if values and not self.failed(key[0], name) else None

    def spread(self, key, name):
        """Median absolute deviation over the median: how far to trust the row."""
        values = self.values[key].get(name, [])
        if len(values) < 2:
            return 0.0
        middle = statistics.median(values)
        return statistics.median(abs(v - middle) for v in values) / middle if middle else 0.0

    def keys(self, unit):
        return [key for key in self.values if key[1] == unit]

    def best(self, key, names):
        found = [m for n in names if (m := self.median(key, n)) is not None]
        return min(found) if found else None


def geomean(values):
    values = [v for v in values if v and v > 0]
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def number(value):
    if value is None:
        return "-"
    if value >= 1000:
        return f"{value:,.0f}"
    if value >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def verdict(ratio, unit):
    if ratio > 1 + TIE[unit]:
        return "LOSS"
    return "win" if ratio < 1 - TIE[unit] else "tie"


def layout(rows):
    widths = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    return [f"{r[0]:<{widths[0]}}" + "".join(f"  {c:>{w}}" for c, w in zip(r[1:], widths[1:]))
            for r in rows]


def table(samples, unit, title):
    """One block: medians, each Tenure's ratio to the best peer of the row, and a verdict."""
    keys = samples.keys(unit)
    if not keys:
        return []
    peers = [n for n in samples.names if not n.startswith("tenure")]
    ours = [n for n in samples.names if n.startswith("tenure")]
    rows = [["row", *samples.names, *(f"{n}/best peer" for n in ours), "±"]]
    ratios = {n: [] for n in ours}
    losses = {n: [] for n in ours}
    for key in keys:
        # A peer whose values were dropped might have been the best: then there is no verdict. One
        # that failed is out of the race.
        dropped = [n for n in peers if samples.median(key, n) is None
                   and not samples.failed(key[0], n)]
        best = None if dropped else samples.best(key, peers)
        line = [key[0]]
        line += ["FAILED" if samples.failed(key[0], n) else number(samples.median(key, n))
                 for n in samples.names]
        for name in ours:
            mine = samples.median(key, name)
            if mine is None or not best:
                line.append("-")
                continue
            ratio = mine / best
            ratios[name].append(ratio)
            word = verdict(ratio, unit)
            if word == "LOSS":
                losses[name].append((key[0], ratio))
            line.append(f"{ratio:.2f} {word}")
        line.append(f"{100 * max(samples.spread(key, n) for n in samples.names):.0f}%")
        rows.append(line)

    lines = [f"{title} (median, {unit}; ± = largest median deviation among the allocators)"]
    lines += layout(rows)
    complete = [k for k in keys if all(samples.median(k, n) is not None for n in samples.names)]
    if complete:
        means = {n: geomean([samples.median(k, n) / samples.best(k, samples.names)
                             for k in complete]) for n in samples.names}
        lines.append(f"geometric mean over {len(complete)} rows of the ratio to each row's best: "
                     + ", ".join(f"{n} {m:.3f}" for n, m in means.items()))
    for name in ours:
        if not ratios[name]:
            continue
        lines.append(f"{name} to the best peer of each row: geometric mean "
                     f"{geomean(ratios[name]):.3f}; {len(losses[name])} of {len(ratios[name])} "
                     f"rows lost by more than {100 * TIE[unit]:.0f} %")
        worst = sorted(losses[name], key=lambda loss: -loss[1])
        lines += [f"  LOSS {row}: {ratio:.2f}" for row, ratio in worst]
    return lines + [""]


def text(samples, titles, notes):
    lines = []
    for unit, title in titles:
        lines += table(samples, unit, title)
    lines += [f"FAILED {row} under {name}: {reason}" for row, name, reason in samples.failures]
    return "\n".join(lines + notes)


def results_folder(base, kind):
    stamp = datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
    folder = pathlib.Path(base) / f"{stamp}-{kind}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def revision(folder):
    query = subprocess.run(["git", "-C", str(folder), "describe", "--always", "--dirty"],
                           capture_output=True, text=True)
    return query.stdout.strip() if query.returncode == 0 else "unknown"


def save(folder, samples, facts, table_text):
    with open(folder / "raw.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["row", "unit", "allocator", "round", "value"])
        writer.writerows((r, u, n, i, f"{v:.6g}") for r, u, n, i, v in samples.raw)
    with open(folder / "medians.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["row", "unit", *samples.names])
        for key in samples.values:
            medians = (samples.median(key, n) for n in samples.names)
            writer.writerow([*key, *("" if m is None else f"{m:.6g}" for m in medians)])
    (folder / "machine.json").write_text(json.dumps(facts, indent=2) + "\n")
    (folder / "table.txt").write_text(table_text + "\n")
    print(f"written: {folder}")
