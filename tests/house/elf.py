"""What the checks ask of an ELF file, read with binutils. CROSS_COMPILE is a prefix for their names."""
import os
import re
import subprocess
import sys

CROSS = os.environ.get("CROSS_COMPILE", "")


def run(tool, *args):
    done = subprocess.run([CROSS + tool, *args], check=False, capture_output=True, text=True,
                          env={**os.environ, "LC_ALL": "C"})
    if done.returncode:
        sys.exit(f"{CROSS}{tool}: {done.stderr.strip()}")
    return done.stdout


def dynamic_symbols(path):
    """(defined, undefined) names of the dynamic symbol table, with their versions as `name@@NODE`."""
    defined, undefined = set(), set()
    for line in run("nm", "-D", "--with-symbol-versions", path).splitlines():
        fields = line.split()
        kind, name = fields[-2], fields[-1]
        if kind in "Uwv":
            undefined.add(name)
        elif kind != "A":  # the version node itself
            defined.add(name)
    return defined, undefined


def needed(path):
    return re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-dW", path))


def flags(path):
    """The DF_ and DF_1_ flags, as readelf names them."""
    found = set()
    for line in run("readelf", "-dW", path).splitlines():
        match = re.search(r"\((FLAGS|FLAGS_1)\)\s+(?:Flags: )?(.*)", line)
        if match:
            found |= set(match.group(2).split())
    return found


def segments(path):
    """{type: (memory size, flags)} of the program headers (the last of a type)."""
    found = {}
    for line in run("readelf", "-lW", path).splitlines():
        match = re.match(r"\s+([A-Z_]+)((?:\s+0x[0-9a-f]+){5})\s+([RWE ]+?)\s+0x", line)
        if match:
            found[match.group(1)] = (int(match.group(2).split()[4], 16),
                                     match.group(3).replace(" ", ""))
    return found


def relocation_types(path):
    return set(re.findall(r"\bR_[A-Z0-9_]+", run("readelf", "-rW", path)))
