#!/usr/bin/env python3
"""Runs the block cache example and draws the usage of its tenants over time.

block_cache.py [--program build/release/bin/example_block_cache] [--svg docs/block-cache.svg] [--check]
Three tenants share 48 MiB. Gold has 16 MiB protected (low), uses 20 MiB in the first and the last third and
rests in between; silver and bronze read blocks they never read again.
"""
import argparse
import subprocess
import sys
import xml.etree.ElementTree

MIB = 1 << 20
LIMIT, LOW = 48, 16
WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 760, 380, 60, 30, 110, 50
SERIES = [("gold", "#c99700"), ("silver", "#7f8c8d"), ("bronze", "#a0522d"), ("all", "#1f4e79")]


def sample(program):
    """Rows of MiB by series, one a sample."""
    output = subprocess.run([program, "samples"], check=True, capture_output=True, text=True).stdout
    rows = [[int(word) / MIB for word in line.split()[1:]] for line in output.splitlines()]
    if not rows:
        sys.exit(f"{program}: no samples")
    return rows


def draw(rows):
    plot_width, plot_height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    highest = LIMIT * 1.1

    def x(index):
        return LEFT + plot_width * index / (len(rows) - 1)

    def y(mib):
        return TOP + plot_height * (1 - mib / highest)

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
             f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
             f'<text x="{LEFT}" y="18">MiB charged: three tenants of a block cache under one limit</text>']
    for mib in range(0, LIMIT + 1, 8):
        parts.append(f'<line x1="{LEFT}" y1="{y(mib):.1f}" x2="{LEFT + plot_width}" y2="{y(mib):.1f}" '
                     f'stroke="#dddddd"/><text x="{LEFT - 8}" y="{y(mib) + 4:.1f}" '
                     f'text-anchor="end">{mib}</text>')
    for mib, label in [(LIMIT, "max of all"), (LOW, "low of gold")]:
        parts.append(f'<line x1="{LEFT}" y1="{y(mib):.1f}" x2="{LEFT + plot_width}" y2="{y(mib):.1f}" '
                     f'stroke="#c0392b" stroke-dasharray="6 4"/><text x="{LEFT + plot_width + 6}" '
                     f'y="{y(mib) + 4:.1f}" fill="#c0392b">{label}</text>')
    for third, label in enumerate(["gold and silver", "gold rests, bronze comes", "gold is back"]):
        middle = LEFT + plot_width * (third + 0.5) / 3
        parts.append(f'<text x="{middle:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{label}</text>')
        if third:
            edge = LEFT + plot_width * third / 3
            parts.append(f'<line x1="{edge:.1f}" y1="{TOP}" x2="{edge:.1f}" y2="{HEIGHT - BOTTOM}" '
                         f'stroke="#bbbbbb" stroke-dasharray="2 3"/>')
    for column, (name, colour) in enumerate(SERIES):
        points = " ".join(f"{x(i):.1f},{y(row[column]):.1f}" for i, row in enumerate(rows))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{LEFT + 60 * column}" y="{HEIGHT - 8}" fill="{colour}">{name}</text>')
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def check(path, rows):
    """That the picture is well-formed and has a line of all samples for each series."""
    root = xml.etree.ElementTree.parse(path).getroot()
    if root.tag != "{http://www.w3.org/2000/svg}svg":
        sys.exit(f"{path}: not an SVG: {root.tag}")
    lines = [[[float(number) for number in point.split(",")] for point in line.get("points").split()]
             for line in root.iter("{http://www.w3.org/2000/svg}polyline")]
    if [len(line) for line in lines] != [len(rows)] * len(SERIES):
        sys.exit(f"{path}: lines of {[len(line) for line in lines]} points")
    if any(not (0 <= x <= WIDTH and 0 <= y <= HEIGHT) for line in lines for x, y in line):
        sys.exit(f"{path}: a point lies outside")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default="build/release/bin/example_block_cache")
    parser.add_argument("--svg", default="docs/block-cache.svg")
    parser.add_argument("--check", action="store_true", help="read the picture back")
    arguments = parser.parse_args()
    rows = sample(arguments.program)
    with open(arguments.svg, "w", encoding="utf-8") as file:
        file.write(draw(rows))
    if arguments.check:
        check(arguments.svg, rows)
    thirds = [rows[len(rows) * k // 3:len(rows) * (k + 1) // 3][-1] for k in range(3)]
    for label, row in zip(["first", "second", "last"], thirds):
        print(f"end of the {label} third: " +
              ", ".join(f"{name} {value:.1f}" for (name, _), value in zip(SERIES, row)) + " MiB")


if __name__ == "__main__":
    main()
