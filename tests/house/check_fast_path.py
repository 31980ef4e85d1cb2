#!/usr/bin/env python3
"""check_fast_path.py [--update] [--show] <libtenure.so>

Compares the shape of the straight paths of malloc, free and the C++ operators with what is written in
fast_path.golden.json, exactly: a change for the better is written down too, with --update. --show prints
the instructions. The golden numbers are per architecture and compiler version; where there are none, only
that nothing is called is checked."""
import json
import os
import re
import sys

import elf
from fast_path import address_of, disassemble, shape_of

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fast_path.golden.json")
FUNCTIONS = ["malloc", "free", "_Znwm", "_ZdlPv", "_ZdlPvm"]


def toolchain(path):
    """For example x86_64 gcc 12: other versions choose other instructions."""
    machine = re.search(r"Machine:\s+(.*)", elf.run("readelf", "-hW", path)).group(1)
    name = "x86_64" if "X86-64" in machine else machine.lower()
    comment = elf.run("readelf", "-p", ".comment", path)
    gcc = re.search(r"GCC: \([^)]*\) (\d+)", comment)
    clang = re.search(r"clang version (\d+)", comment)
    return f"{name} " + (f"clang {clang.group(1)}" if clang else f"gcc {gcc.group(1) if gcc else '?'}")


def compare(function, shape, golden):
    if shape["calls"]:
        yield f"{function}: {shape['calls']} calls on the fast path"
    for key, value in shape.items():
        if golden and value != golden.get(key):
            yield f"{function}: {value} {key}, {golden.get(key)} written down"


def main():
    options = {arg for arg in sys.argv[1:] if arg.startswith("--")}
    path = [arg for arg in sys.argv[1:] if not arg.startswith("--")][0]
    code, machine = disassemble(path)
    shapes, problems = {}, []
    for function in FUNCTIONS:
        shape, trace = shape_of(code, machine, address_of(path, function))
        shapes[function] = shape.as_dict()
        if "--show" in options:
            print(f"{function}:", *trace, "", sep="\n")

    golden = {}
    if os.path.exists(GOLDEN):
        with open(GOLDEN, encoding="utf-8") as file:
            golden = json.load(file)
    key = toolchain(path)
    if "--update" in options:
        golden[key] = shapes
        with open(GOLDEN, "w", encoding="utf-8") as file:
            json.dump(golden, file, indent=2, sort_keys=True)
            file.write("\n")
    for function, shape in shapes.items():
        problems += compare(function, shape, golden.get(key, {}).get(function))
        print(f"{function}: " + ", ".join(f"{value} {name}" for name, value in shape.items()))
    if key not in golden:
        print(f"no golden numbers for {key}")
    if problems:
        print("\n".join(problems))
        print("if that is meant: tests/house/check_fast_path.py --update", path)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
