#!/usr/bin/env python3
"""Peak RSS and time of whole commands under each allocator in turn.

Without arguments: a default set of programs of daily use. A command of your own is given after `--`
or, several of them, as `--command NAME='shell words'`. What a command writes to standard output must
be the same under every allocator.
"""

import argparse
import hashlib
import json
import pathlib
import random
import shlex
import shutil
import subprocess
import sys
import tempfile

import harness
import rounds

PYTHON_WORK = """
import collections, json, re
words = [f"w{(i * 7919) % 30011}" for i in range(SIZE)]
count = collections.Counter(words)
index = collections.defaultdict(list)
for position, word in enumerate(words):
    index[word].append(position)
text = json.dumps({w: index[w][:20] for w in index})
tree = json.loads(text)
found = re.findall(r'"w[0-9]*7"', text)
rows = [dict(id=i, name=w, tags=[w[:2], w[2:]]) for i, w in enumerate(words[:SIZE // 4])]
rows.sort(key=lambda r: (r["name"], r["id"]))
print(len(count), len(tree), len(found), rows[0]["id"], rows[-1]["id"])
"""

SQL_WORK = """
PRAGMA journal_mode = MEMORY;
CREATE TABLE orders(id INTEGER PRIMARY KEY, customer INTEGER, amount REAL, note TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < SIZE)
  INSERT INTO orders SELECT i, (i * 7919) % 10007, i % 977 / 3.0, 'note ' || (i * 31 % 1009) FROM n;
CREATE INDEX by_customer ON orders(customer);
CREATE INDEX by_note ON orders(note, amount);
SELECT count(*), round(sum(amount), 2) FROM orders;
SELECT note, count(*), round(avg(amount), 3) FROM orders GROUP BY note ORDER BY 2 DESC, 1 LIMIT 5;
SELECT a.customer, count(*) FROM orders a JOIN orders b ON a.customer = b.customer
  WHERE a.id < 2000 GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5;
UPDATE orders SET note = note || '!' WHERE id % 3 = 0;
DELETE FROM orders WHERE id % 5 = 0;
SELECT count(*), max(length(note)) FROM orders;
"""

CXX_WORK = """
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <regex>
#include <string>
#include <unordered_map>
#include <vector>
template <int N> struct Table {
  std::map<std::string, std::vector<int>> ordered;
  std::unordered_map<int, std::function<int(int)>> functions;
  int run(const std::string& text) {
    std::regex pattern("([a-z]+)" + std::to_string(N));
    for (std::sregex_iterator i(text.begin(), text.end(), pattern), end; i != end; ++i)
      ordered[i->str(1)].push_back(N);
    functions[N] = [this](int x) { return x + static_cast<int>(ordered.size()); };
    std::vector<std::pair<int, std::string>> flat;
    for (auto& [key, value] : ordered) flat.emplace_back(value.size(), key);
    std::sort(flat.begin(), flat.end(), [](auto& a, auto& b) { return a.second < b.second; });
    return functions[N](static_cast<int>(flat.size())) + Table<N - 1>().run(text);
  }
};
template <> struct Table<0> { int run(const std::string&) { return 0; } };
int main(int, char** argv) { std::cout << Table<SIZE>().run(argv[0]); }
"""


LUA_WORK = """
local t = {}
for i = 1, SIZE do t[i] = {id = i, name = "n" .. (i * 7919 % 30011)} end
local index = {}
for i = 1, #t do
  local list = index[t[i].name] or {}
  index[t[i].name] = list
  list[#list + 1] = i
end
table.sort(t, function(a, b) return a.name < b.name or (a.name == b.name and a.id < b.id) end)
print(#t, t[1].id, t[#t].id)
"""

PERL_WORK = """
my %lists;
push @{$lists{$_ * 7919 % 100003}}, "value $_" for 1 .. SIZE;
print scalar(keys %lists), " ", join(",", @{$lists{(sort keys %lists)[0]}}), "\n";
"""


def write_documents(folder, count):
    """The same records as XML and as JSON."""
    source = random.Random(1)
    rows = [{"id": i, "name": f"name {i * 7919 % 30011}", "value": round(source.random(), 6),
             "tags": [f"t{i % 7}", f"u{i % 11}"]} for i in range(count)]
    (folder / "work.json").write_text(json.dumps(rows))
    items = "".join(f'<item id="{r["id"]}"><name>{r["name"]}</name><value>{r["value"]}</value>'
                    f'<tag a="{r["tags"][0]}">{r["tags"][1]}</tag></item>\n' for r in rows)
    (folder / "work.xml").write_text(f"<items>{items}</items>\n")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", metavar="-- COMMAND", help="one command to measure")
    parser.add_argument("--command", action="append", default=[], metavar="NAME='WORDS'",
                        help="a named command; may be repeated")
    rounds.add_options(parser)
    parser.add_argument("--timeout", type=float, default=600, help="seconds a command may take")
    parser.add_argument("--any-output", action="store_true", help="do not compare the output")
    options = parser.parse_args()
    rounds.fill_in(options, rounds=(5, 2))
    return options


class Command:
    def __init__(self, words, cwd=None, variables=None):
        self.words, self.cwd, self.variables = words, cwd, variables


def git_history(files, commits):
    """A stream for git fast-import: text files that change a little in each commit."""
    source = random.Random(1)
    contents = [[f"line {source.random():.12f} of file {f}" for _ in range(200)]
                for f in range(files)]
    for number in range(commits):
        message = f"change {number}"
        yield (f"commit refs/heads/main\ncommitter A <a@example.org> {1700000000 + number} +0000\n"
               f"data {len(message)}\n{message}\n")
        touched = range(files) if number == 0 else source.sample(range(files), 5)
        for f in touched:
            contents[f][source.randrange(200)] = f"line {source.random():.12f} at {number}"
            text = "\n".join(contents[f]) + "\n"
            yield f"M 100644 inline dir{f % 20}/file{f}.txt\ndata {len(text)}\n{text}\n"


def make_repository(folder, files, commits):
    environment = {**harness.clean_environment(), "GIT_CONFIG_NOSYSTEM": "1"}
    run = subprocess.run
    run(["git", "init", "-q", "--bare", folder], env=environment, check=True)
    # One thread: the peak of several depends on how the scheduler overlaps their windows.
    for setting in ("pack.threads=1", "gc.auto=0"):
        run(["git", "-C", folder, "config", *setting.split("=")], env=environment, check=True)
    run(["git", "-C", folder, "fast-import", "--quiet"], env=environment, check=True,
        input="".join(git_history(files, commits)).encode())


def default_commands(folder, tenth):
    """What daily programs do with memory; a program that is not installed is left out."""
    size = lambda work, n: work.replace("SIZE", str(max(1, n // 10 if tenth else n)))
    python_file, cxx_file = folder / "work.py", folder / "work.cpp"
    python_file.write_text(size(PYTHON_WORK, 600_000))
    cxx_file.write_text(size(CXX_WORK, 20))
    isolated = {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    python = [sys.executable, "-I", python_file]
    commands = {
        "python3": Command(python, variables=isolated),
        # CPython's own small-object allocator off: every object is a malloc. (-I ignores PYTHON*.)
        "python3-malloc": Command([sys.executable, "-S", python_file],
                                  variables={**isolated, "PYTHONMALLOC": "malloc"}),
    }
    if shutil.which("sqlite3"):
        script = folder / "work.sql"
        script.write_text(size(SQL_WORK, 400_000))
        commands["sqlite3"] = Command(["sqlite3", ":memory:", f".read {script}"])
    if shutil.which("g++"):
        commands["g++"] = Command(["g++", "-std=c++17", "-O1", "-c", cxx_file, "-o",
                                   folder / "work.o"])
    if shutil.which("clang++"):
        commands["clang++"] = Command(["clang++", "-std=c++17", "-fsyntax-only", cxx_file])
    write_documents(folder, 9000 if tenth else 90_000)
    for name, words in (("xmllint", ["--noout", folder / "work.xml"]),
                        ("jq", ["-c", "map(.value) | add", folder / "work.json"])):
        if shutil.which(name):
            commands[name] = Command([name, *words])
    for name, work, count in (("lua5.4", LUA_WORK, 400_000), ("perl", PERL_WORK, 400_000)):
        if shutil.which(name):
            script = folder / f"work.{name}"
            script.write_text(size(work, count))
            commands[name] = Command([name, script],
                                     variables={"PERL_HASH_SEED": "0", "PERL_PERTURB_KEYS": "0"})
    if shutil.which("git"):
        repository = folder / "repository.git"
        make_repository(repository, 400, 100 if tenth else 1000)
        config = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"}
        commands["git-log"] = Command(["git", "log", "--stat", "--format=%H %s", "main"],
                                      cwd=repository, variables=config)
        commands["git-repack"] = Command(["git", "repack", "-adfq", "--depth=50", "--window=50"],
                                         cwd=repository, variables=config)
    return commands


def given_commands(options):
    commands = {}
    if options.words:
        commands[pathlib.Path(options.words[0]).name] = Command(options.words)
    for entry in options.command:
        name, separator, words = entry.partition("=")
        if not separator or not words:
            sys.exit(f"--command {entry}: NAME='WORDS' expected")
        commands[name] = Command(shlex.split(words))
    return commands


class CommandRows:
    kind = "memory"
    titles = [("MiB", "whole commands, peak RSS"), ("s", "whole commands, time"),
              ("cpu s", "whole commands, CPU time")]

    def __init__(self, commands, options):
        self.launcher = harness.find_program("bench_measure", options.bin)
        self.rows = commands
        self.options = options
        self.outputs = {}

    def run(self, row, allocator):
        command = self.rows[row]
        usage = harness.measure(self.launcher, allocator, command.words, command.cwd,
                                self.options.timeout, command.variables)
        digest = hashlib.sha256(usage.output).hexdigest()
        self.outputs.setdefault(row, {}).setdefault(allocator.name, set()).add(digest)
        return {"MiB": usage.peak_mib, "s": usage.seconds, "cpu s": usage.cpu_seconds}

    def notes(self, samples):
        """A different output is a failure: an allocator that breaks the program has no time."""
        if self.options.any_output:
            return []
        for row, digests in self.outputs.items():
            # Without glibc in the run, the first allocator is the standard.
            standard = "glibc" if "glibc" in digests else next(iter(digests))
            for name, found in digests.items():
                if len(found | digests[standard]) > 1:
                    samples.fail(row, name, f"output differs from that under {standard}, or from "
                                 "run to run (--any-output allows it)")
        return []


def main():
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="bench-memory-") as folder:
        commands = given_commands(options) or default_commands(pathlib.Path(folder), options.quick)
        return rounds.main(CommandRows(commands, options), options)


if __name__ == "__main__":
    sys.exit(main())
