#!/usr/bin/env python3
"""Checks the rules between folders: no include upward, and the calls that only one file may make."""
import os
import re
import sys

# Bottom up. A file may include what lies in its own folder or in a lower one.
LAYERS = ["base", "rcu", "accounting", "allocator", "api", "rules"]
# Above all layers; they may include any layer, and each only itself among its peers.
TOPS = ["tools", "bench", "tests", "examples"]
SUFFIXES = (".h", ".hpp", ".c", ".cpp", ".S")

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')
LITERAL_OR_COMMENT = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.DOTALL)
# A call, not a declaration of a wrapper nor a member or namespaced function of the same name.
MAPPING_CALL = re.compile(
    r"(?:(?<![\w.:>~])|(?<=[^\w]::)|(?<=^::))(?:mmap|mmap64|munmap|madvise|process_madvise|mprotect"
    r"|mremap)\s*\(|\b(?:SYS|__NR)_(?:mmap|munmap|madvise|mprotect|mremap)\b", re.MULTILINE)
MAPPING_OWNER = "base/os_memory"


def strip(text):
    """Blanks comments and string literals, keeping line numbers."""
    return LITERAL_OR_COMMENT.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def rank(folder):
    return LAYERS.index(folder) if folder in LAYERS else len(LAYERS)


def check_include(path, target, root):
    """The rule that this include breaks, or None."""
    folder = path.split("/")[0]
    if target.startswith("tenure/"):
        # The public header states the API; the layers below it do not know it.
        return None if rank(folder) >= rank("api") else "the public header belongs to api and above"
    if "../" in target:
        return "includes are written from the root of the repository"
    other = target.split("/")[0]
    if "/" not in target or other == folder or not os.path.exists(os.path.join(root, target)):
        return None
    if other in LAYERS and rank(other) <= rank(folder):
        return None
    return f"{folder} may not include {other}"


def check_file(path, text, root="."):
    folder = path.split("/")[0]
    problems = []
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            problem = check_include(path, match.group(2), root)
            if problem:
                problems.append(f"{path}:{number}: {match.group(2)}: {problem}")
    if folder in LAYERS and os.path.splitext(path)[0] != MAPPING_OWNER:
        plain = strip(text)
        for match in MAPPING_CALL.finditer(plain):
            number = plain.count("\n", 0, match.start()) + 1
            problems.append(f"{path}:{number}: {match.group().strip('( ')}: only {MAPPING_OWNER}.* "
                            "may call the system for memory")
    return problems


def main():
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    problems, count = [], 0
    for folder in ["include"] + LAYERS + TOPS:
        for directory, _, files in os.walk(os.path.join(root, folder)):
            for name in sorted(files):
                if not name.endswith(SUFFIXES):
                    continue
                full = os.path.join(directory, name)
                path = os.path.relpath(full, root)
                with open(full, encoding="utf-8") as file:
                    problems += check_file(path, file.read(), root)
                count += 1
    print("\n".join(problems) or f"{count} files, every include points down")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
