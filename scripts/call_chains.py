#!/usr/bin/env python3
"""Draws the longest chains of calls through the rooms of the library, from the machine code of libtenure.so.

call_chains.py [--update] [build/release/lib/libtenure.so]: prints docs/call-chains.md, or writes it.

A chain begins at an entry point and follows direct calls and tail calls; what the compiler has inlined is part of its caller.
Functions that call each other in a circle count once. Hooks are calls through pointers, so the table HOOKS names them.
"""
import collections
import os
import re
import subprocess
import sys

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
PAGE = os.path.join(ROOT, "docs", "call-chains.md")
ENTRIES = [("malloc", "malloc"), ("free", "free"),
           ("offline", "tenure_tenant_offline"), ("reclaim", "tenure_reclaim")]
# The ends of the process: no chain leads through them.
ENDS = ("tenure::fatal(", "tenure::report_misuse(", "tenure::report_bad_pointer(", "tenure::log_line(")
# accounting/hooks.h, as allocator/caches/tenant_heap.cpp fills the tables.
HOOKS = {"tenure::reclaim(": ["tenure::(anonymous namespace)::purge_subtree(", "tenure::reap_some(",
                              "tenure::(anonymous namespace)::shrink_without_stocks("],
         "tenure::offline_tenant(": ["tenure::kill_caches(", "tenure::drain_lrus("]}
HEADER = re.compile(r"^([0-9a-f]+) <(.+)>:$")
CALL = re.compile(r"\s(?:call|j\w+)\s+[0-9a-f]+ <([^>]+)>")


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def functions(library):
    """Name -> names it calls, and name -> address."""
    calls, addresses, name = collections.defaultdict(set), {}, None
    for line in run("objdump", "-d", "-C", "--no-show-raw-insn", library).splitlines():
        match = HEADER.match(line)
        if match:
            name = plain(match.group(2))
            addresses.setdefault(name, match.group(1))
            continue
        match = CALL.search(line)
        if match and name and not re.search(r"\+0x|@plt", match.group(1)):
            if not match.group(1).startswith(ENDS):
                calls[name].add(plain(match.group(1)))
    for caller, callees in HOOKS.items():
        for source in [n for n in addresses if n.startswith(caller)]:
            calls[source] |= {n for n in addresses for c in callees if n.startswith(c)}
    return calls, addresses


def entry_name(library, entry, addresses):
    """The name under which the disassembly has the function: the first of its aliases."""
    for line in run("nm", library).splitlines():
        address, _, name = line.rpartition(" ")
        if name.split("@")[0] == entry:
            wanted = int(address.split()[0], 16)
            return next(n for n, a in addresses.items() if int(a, 16) == wanted)
    raise SystemExit(f"call_chains.py: no function {entry} in {library}")


def plain(symbol):
    """Parts that the compiler has split off belong to their function."""
    return re.sub(r" \[clone [^]]*\]| \(\.[^)]*\)", "", symbol)


def sources(library, addresses):
    """Name -> source file of the function itself: the outermost of what is inlined at its first instruction."""
    names, files, at = list(addresses), {}, None
    for line in run("addr2line", "-a", "-i", "-e", library,
                    *(addresses[n] for n in names)).splitlines():
        if line.startswith("0x"):
            at = names[len(files)]
        files[at] = line.split(":")[0]
    return files


def rooms(library, addresses):
    folders = LAYERS + [room for layer in LAYERS for room in inside(layer)]
    places = {}
    for name, file in sources(library, addresses).items():
        folder = os.path.dirname(os.path.relpath(file or "?", os.path.realpath(ROOT)))
        if folder.split("/")[0] in LAYERS:
            places[name] = folder if folder in folders else folder.split("/")[0]
    return places


LAYERS = ["base", "live", "rcu", "accounting", "allocator", "mapped", "api"]


def inside(layer):
    return [f"{layer}/{entry}" for entry in os.listdir(os.path.join(ROOT, layer))
            if os.path.isdir(os.path.join(ROOT, layer, entry))]


def components(calls, entry):
    """Tarjan's strongly connected components below `entry`, callees before callers. No recursion: chains are long."""
    index, low, stack, on_stack, result = {}, {}, [], set(), []
    work = [(entry, iter(sorted(calls.get(entry, ()))))]
    index[entry] = low[entry] = 0
    stack.append(entry)
    on_stack.add(entry)
    while work:
        node, successors = work[-1]
        for following in successors:
            if following not in index:
                index[following] = low[following] = len(index)
                stack.append(following)
                on_stack.add(following)
                work.append((following, iter(sorted(calls.get(following, ())))))
                break
            if following in on_stack:
                low[node] = min(low[node], index[following])
        else:
            work.pop()
            if work:
                low[work[-1][0]] = min(low[work[-1][0]], low[node])
            if low[node] == index[node]:
                part = stack[stack.index(node):]
                del stack[stack.index(node):]
                on_stack -= set(part)
                result.append(part)
    return result


def longest(calls, entry):
    """The chain of functions with the most steps; of a circle, the function by which the chain enters."""
    best, member = {}, {}
    for part in components(calls, entry):
        tail = []
        for node in part:
            member[node] = part[0]
        for node in part:
            for following in sorted(calls.get(node, ())):
                target = member.get(following)
                if target is not None and target != part[0] and len(best[target][1]) > len(tail):
                    tail = best[target][1]
        # The member by which callers come in is not known yet: the first of the circle stands for all.
        best[part[0]] = (part[0], [part] + tail)
    return best[member[entry]][1]


def short(name):
    name = name.replace("tenure::", "").replace("(anonymous namespace)::", "")
    name = re.sub(r"^.*?(\w+(?:::\w+)*)(?:<.*)?\(.*$", r"\1", name)
    return name + "()"


def draw(title, chain, places):
    lines, before = [f"## {title}", "", "```"], None
    for part in chain:
        known = [n for n in part if n in places]
        if not known:
            continue
        place = places[known[0]]
        names = ", ".join(dict.fromkeys(short(n) for n in sorted(known)[:4]))
        more = f" and {len(known) - 4} more" if len(known) > 4 else ""
        circle = "  (circle: " + names + more + ")" if len(known) > 1 else ""
        label = short(known[0]) if len(known) == 1 else short(known[-1])
        lines.append(f"{place if place != before else '':24}{label}{circle}".rstrip())
        before = place
    return lines + ["```", ""]


def page(library):
    calls, addresses = functions(library)
    places = rooms(library, addresses)
    lines = [
        "# The longest chains of calls", "",
        "For each of four entry points, the longest chain of calls through the library, made from the machine code by",
        "`scripts/call_chains.py --update`. A line is a function, and the left column is its room where the room changes. Inlined",
        "functions are part of their callers. A circle is a group of functions that call each other; the group counts once. Usual",
        "calls are far shorter: malloc and free end in their first function.", ""]
    for title, entry in ENTRIES:
        lines += draw(f"{title}: `{entry}`", longest(calls, entry_name(library, entry, addresses)), places)
    return "\n".join(lines).rstrip() + "\n"


def main():
    arguments = [a for a in sys.argv[1:] if a != "--update"]
    library = arguments[0] if arguments else os.path.join(ROOT, "build/release/lib/libtenure.so")
    text = page(os.path.realpath(library))
    if "--update" in sys.argv[1:]:
        with open(PAGE, "w", encoding="utf-8") as file:
            file.write(text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
