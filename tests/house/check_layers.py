#!/usr/bin/env python3
"""Checks the rules between folders: no include upward, and the calls that only one file may make."""
import os
import re
import sys

# Bottom up. A file may include what lies in its own folder or in a lower one.
LAYERS = ["base", "live", "rcu", "accounting", "allocator", "mapped", "api", "rules"]
# A layer's rooms stand bottom up, too: the list in its CMakeLists.txt. The layer's own headers (hooks.h) lie below all rooms
# in rank, and name what higher rooms do for lower ones.
ROOMS = re.compile(r"tenure_layer\(\w+ ROOMS ([\w\s]+)\)")
# Above all layers; they may include any layer, and each only itself among its peers.
TOPS = ["tools", "bench", "tests", "examples"]
SUFFIXES = (".h", ".hpp", ".c", ".cpp", ".S")

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')
LITERAL_OR_COMMENT = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.DOTALL)
# A call, not a declaration of a wrapper nor a member or namespaced function of the same name.
MAPPING_CALL = re.compile(
    r"(?:(?<![\w.:>~])|(?<=[^\w]::)|(?<=^::))(?:mmap|mmap64|munmap|madvise|process_madvise|mprotect"
    r"|mremap)\s*\(|\b(?:SYS|__NR)_(?:mmap|munmap|madvise|mprotect|mremap)\b"
    r"|\bsys::(?:mmap|munmap|madvise|mprotect|mremap)\b", re.MULTILINE)
MAPPING_OWNER = "base/memory/os_memory"
# The bare calls; what the program calls, and what is done for it.
MAPPING_CALLS = ["base/memory/mapping_calls", "mapped/calls", "api/process/mapped_calls"]


def strip(text):
    """Blanks comments and string literals, keeping line numbers."""
    return LITERAL_OR_COMMENT.sub(lambda m: re.sub(r"[^\n]", " ", m.group()), text)


def rank(folder):
    return LAYERS.index(folder) if folder in LAYERS else len(LAYERS)


def rooms_of(layer, root):
    lists = os.path.join(root, layer, "CMakeLists.txt")
    if not os.path.exists(lists):
        return []
    with open(lists, encoding="utf-8") as file:
        match = ROOMS.search(file.read())
    return match.group(1).split() if match else []


def check_rooms(path, target, root):
    """The rule on rooms of one layer that this include breaks, or None."""
    layer, *inside = path.split("/")
    rooms = rooms_of(layer, root)
    if not rooms or target.count("/") < 2 or not os.path.exists(os.path.join(root, target)):
        return None
    own, other = inside[0], target.split("/")[1]
    if len(inside) < 2:
        # hooks.h, which every room may include, needs the types of the lowest.
        return None if other == rooms[0] else f"{path} may include {layer}/{rooms[0]} only"
    if other not in rooms:
        return f"{layer}/{other} is not in the list of rooms"
    if rooms.index(other) > rooms.index(own):
        return f"{layer}/{own} may not include {layer}/{other}"
    return None


def check_include(path, target, root):
    """The rule that this include breaks, or None."""
    folder = path.split("/")[0]
    if target.startswith("tenure/"):
        # The public header states the API; the layers below it do not know it.
        return None if rank(folder) >= rank("api") else "the public header belongs to api and above"
    if "../" in target:
        return "includes are written from the root of the repository"
    other = target.split("/")[0]
    if other == folder and folder in LAYERS:
        return check_rooms(path, target, root)
    if "/" not in target or other == folder or not os.path.exists(os.path.join(root, target)):
        return None
    if other in LAYERS and rank(other) <= rank(folder):
        return None
    if path.startswith("tests/tools/") and other == "tools":
        return None  # The tests of the command.
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
    if folder in LAYERS and os.path.splitext(path)[0] not in [MAPPING_OWNER] + MAPPING_CALLS:
        plain = strip(text)
        for match in MAPPING_CALL.finditer(plain):
            number = plain.count("\n", 0, match.start()) + 1
            problems.append(f"{path}:{number}: {match.group().strip('( ')}: only {MAPPING_OWNER}.* "
                            "may call the system for memory")
    return problems


def check_headers(root):
    """Each C header whose functions the library exports has one file in api/tenants. rcu*.h is inline, tenure.h a list."""
    include = os.path.join(root, "include", "tenure")
    headers = {name[:-2] for name in os.listdir(include) if name.endswith(".h")}
    exported = {name for name in headers if name != "tenure" and not name.startswith("rcu")}
    sources = os.path.join(root, "api", "tenants")
    files = {name[:-len("_api.cpp")] for name in os.listdir(sources) if name.endswith("_api.cpp")}
    return ([f"include/tenure/{name}.h: no file api/tenants/{name}_api.cpp" for name in sorted(exported - files)] +
            [f"api/tenants/{name}_api.cpp: no header include/tenure/{name}.h" for name in sorted(files - exported)])


def main():
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    problems, count = check_headers(root), 0
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
