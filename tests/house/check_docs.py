#!/usr/bin/env python3
"""Checks the pages: links and anchors lead somewhere, no page is an orphan, code compiles, commands exist, words are spelled right.

check_docs.py [<tenure command>]: with the command, blocks of shell lines are checked against its --help.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.realpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
START = ["README.md", "docs/README.md", "CONTRIBUTING.md"]
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What a fragment of code may take for granted.
PRELUDE = {
    "c": """#include <stdio.h>
#include <stdlib.h>
#include <tenure/tenure.h>
#include <tenure/lru.h>
extern int fd; void serve_request(void); extern struct tenure_tenant *tenant, *acme;
""",
    "cpp": """#include <memory_resource>
#include <string>
#include <vector>
#include <tenure/tenant.hpp>
struct Pool { template <typename F> void submit(F) {} } extern pool;
std::string load(); extern std::string cache;
""",
}
SPELLING = "statics,fro,ro,ans,fo,te,nd,mis,ser,hist"  # Words that codespell takes for others.


def pages():
    found = []
    for directory, folders, names in os.walk(ROOT):
        folders[:] = [f for f in folders if f not in (".git", "build", "node_modules", "results")]
        found += [os.path.relpath(os.path.join(directory, n), ROOT) for n in names if n.endswith(".md")]
    return sorted(found)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def anchors(text):
    """GitHub's names of the headings."""
    plain = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    names = re.findall(r"^#+ +(.*)$", plain, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", n)).strip().lower()
            .replace(" ", "-") for n in names}


def links(path):
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", read(path), flags=re.MULTILINE | re.DOTALL)
    for match in LINK.finditer(text):
        target = match.group(1) or match.group(2)
        if not re.match(r"[a-z]+:", target):
            yield target


def check_links(found):
    problems, leads = [], {}
    for path in found:
        leads[path] = set()
        for target in links(path):
            name, _, anchor = target.partition("#")
            full = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
            if not os.path.exists(os.path.join(ROOT, full)):
                problems.append(f"{path}: {target}: no such file")
                continue
            leads[path].add(full)
            if anchor and full.endswith(".md") and anchor not in anchors(read(full)):
                problems.append(f"{path}: {target}: no such heading")
    return problems, leads


def check_orphans(found, leads):
    reached, todo = set(), [p for p in START if p in found]
    while todo:
        path = todo.pop()
        if path in reached:
            continue
        reached.add(path)
        todo += [p for p in leads.get(path, ()) if p.endswith(".md")]
    # A folder's README is found by whoever opens the folder.
    return [f"{p}: no page leads here" for p in found
            if p not in reached and os.path.basename(p) != "README.md"]


def check_code(found):
    problems = []
    with tempfile.TemporaryDirectory() as folder:
        for path in found:
            for number, (language, code) in enumerate(FENCE.findall(read(path))):
                if language not in PRELUDE or not os.path.isdir(os.path.join(ROOT, "include")):
                    continue
                if "int main(" not in code:
                    code = f"{PRELUDE[language]}void block(void) {{\n{code}\n}}\n"
                source = os.path.join(folder, f"block.{language}")
                with open(source, "w", encoding="utf-8") as file:
                    file.write(code)
                driver = ["cc"] if language == "c" else ["c++", "-std=c++20"]
                result = subprocess.run([*driver, "-fsyntax-only", f"-I{ROOT}/include", source],
                                        capture_output=True, text=True, check=False)
                if result.returncode:
                    problems.append(f"{path}: block {number + 1}: {result.stderr.strip()}")
    return problems


def check_commands(found, tool):
    """Each `tenure SUBCOMMAND --flag` of a shell block is one that the command knows."""
    problems, known = [], {}
    for path in found:
        for language, code in FENCE.findall(read(path)):
            for line in code.splitlines() if language == "sh" else ():
                words = line.split("#")[0].split()
                if len(words) < 2 or words[0] != "tenure":
                    continue
                if words[1] not in known:
                    done = subprocess.run([tool, words[1], "--help"], capture_output=True, text=True,
                                          check=False)
                    known[words[1]] = done.stdout if done.returncode == 0 else None
                if known[words[1]] is None:
                    problems.append(f"{path}: tenure {words[1]}: no such subcommand")
                    continue
                own = words[2:words.index("--")] if "--" in words else words[2:]
                for word in own:
                    flag = word.split("=")[0]
                    if flag.startswith("--") and flag not in known[words[1]]:
                        problems.append(f"{path}: tenure {words[1]} {flag}: no such flag")
    return problems


def check_spelling(found):
    if shutil.which("codespell") is None:
        return []
    result = subprocess.run(["codespell", "-L", SPELLING, *found], cwd=ROOT, capture_output=True,
                            text=True, check=False)
    return result.stdout.splitlines()


def main():
    found = pages()
    problems, leads = check_links(found)
    problems += check_orphans(found, leads) + check_code(found) + check_spelling(found)
    if len(sys.argv) > 1:
        problems += check_commands(found, sys.argv[1])
    print("\n".join(problems) or f"{len(found)} pages, every link leads somewhere")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
