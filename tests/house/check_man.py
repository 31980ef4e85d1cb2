#!/usr/bin/env python3
"""check_man.py [<build directory>]: the man pages say what tenure.h says, and are set without warnings.

Every function of the header has one page, whose NAME has its name and whose SYNOPSIS has its prototype; every structure
whose members the header shows is in a SYNOPSIS, as it is there; other pages are referred to by names that exist. With a
build directory, the names installed besides are looked at, too."""
import glob
import os
import re
import shutil
import subprocess
import sys

import c_headers

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
PAGES = os.path.join(ROOT, "docs", "man")


def section(text, title):
    found = re.search(rf"^\.SH {title}\n(.*?)(?=^\.SH |\Z)", text, re.DOTALL | re.MULTILINE)
    return found.group(1) if found else ""


def squeeze(text):
    return re.sub(r"\s", "", text)


def structures(squeezed):
    """Name and definition, without blanks, of each structure whose members are shown."""
    return {f"struct {name}": whole for whole, name in re.findall(r"(struct(tenure_\w+)\{[^}]*\};)", squeezed)}


def prototypes():
    """Name and declaration, without blanks, of each function in tenure.h."""
    found = {}
    for declaration in re.findall(r"(?:TENURE_API|static inline)\s+([^;{]+?)\s*[;{]", c_headers.text()):
        name = re.search(r"\b(tenure_\w+)\s*\(", declaration).group(1)
        found[name] = squeeze(declaration) + ";"
    return found


def synopsis(text):
    """What the macros print, without blanks."""
    lines = section(text, "SYNOPSIS").splitlines()
    text = "".join(re.sub(r"^\.(BI|BR|IR|B|I) ", "", line).replace('"', "") for line in lines)
    return squeeze(re.sub(r"/\*.*?\*/", "", text))


def read_pages():
    pages = {}
    for path in sorted(glob.glob(os.path.join(PAGES, "*.[0-9]"))):
        with open(path, encoding="utf-8") as file:
            pages[os.path.basename(path)] = file.read()
    return pages


def names_of(text):
    return re.findall(r"[\w.-]+", section(text, "NAME").split("\\-")[0])


def check_names(pages):
    problems, where = [], {}
    for page, text in pages.items():
        if not section(text, "NAME"):
            problems.append(f"{page}: no NAME")
        for name in names_of(text):
            if name in where:
                problems.append(f"{name}: both in {where[name]} and {page}")
            where[name] = page
    for name, declaration in prototypes().items():
        if name not in where:
            problems.append(f"{name}: no page")
        elif declaration not in synopsis(pages[where[name]]):
            problems.append(f"{where[name]}: SYNOPSIS is not as in tenure.h: {name}")
    ours = {f"{name}({page.rsplit('.', 1)[1]})" for name, page in where.items()}
    for page, text in pages.items():
        for name, number in re.findall(r"\b((?:lib)?tenure[\w.]*) \((\d)\)", text):
            if f"{name}({number})" not in ours:
                problems.append(f"{page}: refers to {name}({number}), which is not there")
    return problems


def check_structures(pages):
    problems, ours = [], structures(squeeze(c_headers.text()))
    shown = {page: structures(synopsis(text)) for page, text in pages.items()}
    for name, whole in ours.items():
        theirs = {page: found[name] for page, found in shown.items() if name in found}
        if not theirs:
            problems.append(f"{name}: in no SYNOPSIS")
        problems += [f"{page}: {name} is not as in tenure.h" for page, it in theirs.items() if it != whole]
    return problems + [f"{page}: {name}: not in tenure.h" for page, found in shown.items()
                       for name in found if name not in ours]


def check_setting(pages):
    """What man and, where it is installed, mandoc complain of."""
    commands = [["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"], ["mandoc", "-T", "lint", "-W", "warning"]]
    problems = []
    for command in commands:
        if not shutil.which(command[0]):
            print(f"without {command[0]}, which is not installed")
            continue
        for page in pages:
            done = subprocess.run([*command, os.path.join(PAGES, page)], text=True, check=False,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  env={**os.environ, "LC_ALL": "C.UTF-8", "MANROFFSEQ": ""})
            said = done.stderr if command[0] == "man" else done.stdout + done.stderr
            problems += [f"{command[0]}: {page}: {line}" for line in said.splitlines()]
    return problems


def check_links(pages, build):
    """Each further name of a page is a page that leads to it."""
    problems = []
    for page, text in pages.items():
        number = page.rsplit(".", 1)[1]
        for name in names_of(text):
            if f"{name}.{number}" in pages:
                continue
            try:
                with open(os.path.join(build, "man", f"{name}.{number}"), encoding="utf-8") as file:
                    link = file.read().strip()
            except FileNotFoundError:
                link = "nothing"
            if link != f".so man{number}/{page}":
                problems.append(f"{name}.{number}: {link}")
    return problems


def main():
    pages = read_pages()
    problems = check_names(pages) + check_structures(pages) + check_setting(pages)
    if len(sys.argv) > 1:
        problems += check_links(pages, sys.argv[1])
    print("\n".join(problems) or f"{len(pages)} pages, as tenure.h has it")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
