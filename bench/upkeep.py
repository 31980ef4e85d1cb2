#!/usr/bin/env python3
"""What stays resident after a burst, over time, under each allocator in turn.

A program allocates and frees a burst, then is idle, ticks (a malloc and a free ten times a second) or works out of the allocator's
fronts, with one thread or with others at rest; redis-server loses its keys. Prints MiB at the end of each row, and the longest
batch of mallocs after a burst; --picture draws resident memory over time.
"""

import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import harness

SECONDS = 3.0
SHAPES = ["idle", "tick", "busy"]
COLOURS = {"glibc": "#888888", "jemalloc": "#d62728", "mimalloc": "#2ca02c", "tcmalloc": "#ff7f0e", "tenure": "#1f77b4"}


def resident_mib(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def run_burst(program, allocator, shape, threads, mib, size):
    """(seconds since the burst, MiB) points, and the longest batch in ms."""
    command = [program, shape, str(threads), str(mib), str(size), str(SECONDS)]
    process = subprocess.Popen(command, env=allocator.environment(), stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "freed\n"
    start, points = time.monotonic(), []
    while process.poll() is None and time.monotonic() - start < SECONDS:
        points.append((time.monotonic() - start, resident_mib(process.pid)))
        time.sleep(0.05)
    longest = float(process.stdout.readline().split()[1])
    process.wait()
    return points, longest


def run_redis(allocator, port=17998):
    """MiB: full, six seconds after 90 % were deleted, six seconds after FLUSHALL."""
    with tempfile.TemporaryDirectory(prefix="bench-upkeep-") as folder:
        server = subprocess.Popen(["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder,
                                   "--enable-debug-command", "yes"], env=allocator.environment(),
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ask = lambda *words: subprocess.run(["redis-cli", "-p", str(port), *words], check=True, stdout=subprocess.DEVNULL)
        time.sleep(1)
        ask("debug", "populate", "600000", "key", "500")
        values = [resident_mib(server.pid)]
        ask("eval", "for i=0,599999 do if i%10~=0 then redis.call('del','key:'..i) end end return 1", "0")
        time.sleep(6)
        values.append(resident_mib(server.pid))
        ask("flushall")
        time.sleep(6)
        values.append(resident_mib(server.pid))
        server.terminate()
        server.wait()
        return values


def draw(path, curves, mib):
    """One panel a shape, side by side; a line for each allocator."""
    width, height, gap = 260, 200, 40
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{len(curves) * (width + gap) + gap}" height="{height + 80}" '
           'font-family="sans-serif" font-size="11">']
    for panel, (title, lines) in enumerate(curves.items()):
        left, bottom = gap + panel * (width + gap), height + 30
        top = mib * 1.1
        out.append(f'<text x="{left}" y="20">{title}: MiB over {SECONDS:.0f} s</text>')
        out.append(f'<path d="M{left} 30V{bottom}H{left + width}" fill="none" stroke="black"/>')
        out.append(f'<text x="{left - 4}" y="40" text-anchor="end">{top:.0f}</text>')
        for name, points in lines.items():
            place = [f"{left + t / SECONDS * width:.1f},{bottom - min(m, top) / top * height:.1f}" for t, m in points]
            out.append(f'<polyline points="{" ".join(place)}" fill="none" stroke="{COLOURS.get(name, "black")}"/>')
    for i, name in enumerate(next(iter(curves.values()))):
        out.append(f'<text x="{gap + i * 90}" y="{height + 60}" fill="{COLOURS.get(name, "black")}">{name}</text>')
    path.write_text("\n".join(out) + "\n</svg>\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--allocators", default="tenure,jemalloc,mimalloc,tcmalloc,glibc",
                        help="comma-separated (default %(default)s)")
    parser.add_argument("--lib", default=harness.BUILD / "lib" / "libtenure.so", help="the libtenure.so to measure")
    parser.add_argument("--bin", default=harness.BUILD / "bench", help="where bench_upkeep is")
    parser.add_argument("--mib", type=int, default=400)
    parser.add_argument("--size", type=int, default=2000)
    parser.add_argument("--no-redis", action="store_true")
    parser.add_argument("--picture", type=pathlib.Path)
    options = parser.parse_args()
    allocators = harness.allocators(options.allocators.split(","), options.lib)
    program = harness.find_program("bench_upkeep", options.bin)
    curves = {}
    print(f"{'row':24}" + "".join(f"{a.name:>12}" for a in allocators))
    for threads in (1, 2):
        for shape in SHAPES:
            title = f"{shape}, {threads} thread{'s' if threads > 1 else ''}"
            results = {a.name: run_burst(program, a, shape, threads, options.mib, options.size) for a in allocators}
            curves[title] = {name: points for name, (points, _) in results.items()}
            print(f"{title + ', MiB':24}" + "".join(f"{points[-1][1]:12.0f}" for points, _ in results.values()))
            print(f"{title + ', ms':24}" + "".join(f"{longest:12.2f}" for _, longest in results.values()))
    if not options.no_redis and shutil.which("redis-server"):
        rows = {a.name: run_redis(a) for a in allocators}
        for i, what in enumerate(["full", "90 % deleted", "FLUSHALL"]):
            print(f"{'redis ' + what + ', MiB':24}" + "".join(f"{values[i]:12.0f}" for values in rows.values()))
    if options.picture:
        draw(options.picture, curves, options.mib)
    return 0


if __name__ == "__main__":
    sys.exit(main())
