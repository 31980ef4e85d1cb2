#!/usr/bin/env python3
"""Checks of every file's text: its length, and that no marks of unfinished work stay behind."""
import os
import re
import subprocess
import sys

MAX_LINES = 400
MAX_EXAMPLE_LINES = 60
TEXT = (".h", ".hpp", ".c", ".cpp", ".S", ".py", ".sh", ".cmake", ".md", ".txt", ".map", ".in", ".pml")
DATA = re.compile(r"^(bench/results/|docs/.*\.csv$)")
# Written so that this file does not find itself.
MARKS = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"]) + r")\b")
CONFLICT = re.compile(r"^(<{7} |={7}$|>{7} )")


def is_text(path, root):
    if path.endswith(TEXT) or os.path.basename(path) == "Makefile":
        return True
    # Scripts without a suffix.
    with open(os.path.join(root, path), "rb") as file:
        return file.read(2) == b"#!"


def check_file(path, text):
    lines = text.splitlines()
    problems = []
    most = MAX_EXAMPLE_LINES if path.startswith("examples/") else MAX_LINES
    if len(lines) > most:
        problems.append(f"{path}: {len(lines)} lines, more than {most}")
    if text and not text.endswith("\n"):
        problems.append(f"{path}: no newline at the end")
    for number, line in enumerate(lines, 1):
        mark = MARKS.search(line)
        if mark:
            problems.append(f"{path}:{number}: {mark.group()}")
        if CONFLICT.match(line):
            problems.append(f"{path}:{number}: merge conflict")
        if line != line.rstrip() and not path.endswith(".md"):
            problems.append(f"{path}:{number}: blanks at the end of the line")
    return problems


def files_of(root):
    """What git knows or would add; without git, everything outside build/."""
    git = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                         cwd=root, capture_output=True, check=False)
    if git.returncode == 0:
        return sorted(set(git.stdout.decode().split("\0")) - {""})
    found = []
    for directory, folders, names in os.walk(root):
        folders[:] = [f for f in folders if f not in (".git", "build", "__pycache__")]
        found += [os.path.relpath(os.path.join(directory, name), root) for name in names]
    return sorted(found)


def main():
    root = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
    problems, count = [], 0
    for path in files_of(root):
        full = os.path.join(root, path)
        if not os.path.isfile(full) or DATA.match(path) or not is_text(path, root):
            continue
        with open(full, encoding="utf-8") as file:
            problems += check_file(path, file.read())
        count += 1
    print("\n".join(problems) or f"{count} files, none over {MAX_LINES} lines")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
