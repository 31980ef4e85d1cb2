#!/usr/bin/env python3
"""tool_test.py <tenure> <libtenure_rules.so> <asked>: rule files and what is wrong with them, rules loaded at run time, the
library where it is of no use."""
import os
import signal
import subprocess
import sys
import tempfile
import unittest

TOOL, RULES, ASKED = (os.path.abspath(word) for word in sys.argv[1:4])
CLEAN = {name: value for name, value in os.environ.items()
         if not name.startswith("TENURE_") and name not in ("LD_PRELOAD", "GLIBC_TUNABLES")}

GOOD = """
[tenant."/db"]
max = "2G"
high = 1000000
policy = "fail-all"
isolated = true
[[rule]]                       # line 7
thread = "conn*"
library = "lib*.so"
symbol = "start_*"
process = "p"
command = "*--x*"
tenant = "/db/conn-{tid}"
cap = 7
[[rule]]                       # line 15
process = "postgres"
tenant = "/pg/{pid}"
[[rule]]                       # line 18
listen = "127.0.0.1:6379"
peer = "10.1.0.0/16"
tenant = "/clients/{peer.addr}"
max = "unlimited"
min = "4KiB"
[[rule]]                       # line 24
listen = "unix:/run/x.sock"
peer_uid = 1001
peer_process = "worker*"
tenant = "/unix/{peer.uid}/{peer.exe}/{peer.port}/{listen.port}"
[[rule]]                       # line 29
peer = "fd00::/8"
tenant = "/v6"
"""

# What is wrong, where, and what the message says is right.
BAD = [
    ("a = ", "1:5", "no TOML"),
    ("[tenant", "1:8", "no TOML"),
    ('other = 1', "1:1", '[tenant."/path"] and [[rule]]'),
    ('tenant = 1', "1:10", '[tenant."/path"]'),
    ('[tenant.db]', "1:9", "a path below the root"),
    ('[tenant."/a/{pid}"]', "1:13", "a path without fields"),
    ('[tenant."/a//b"]', "1:13", "names of 1 to 63 bytes"),
    ('[tenant."/a/../b"]', "1:13", "names of 1 to 63 bytes"),
    ('[tenant."/a b"]', "1:12", "letters, digits"),
    ('[tenant]\n"/a" = 1', "2:8", "a table"),
    ('[tenant."/a"]\nmx = 1', "2:1", "min, low, high, max"),
    ('[tenant."/a"]\nmax = "1X"', "2:7", '"256M"'),
    ('[tenant."/a"]\nmax = -1', "2:7", '"256M"'),
    ('[tenant."/a"]\nmax = "99999999T"', "2:7", '"256M"'),
    ('[tenant."/a"]\nmax = true', "2:7", '"256M"'),
    ('[tenant."/a"]\npolicy = "kill"', "2:10", "fail-large, fail-all, observe, event or abort"),
    ('[tenant."/a"]\npolicy = 3', "2:10", "a string"),
    ('[tenant."/a"]\nisolated = "yes"', "2:12", "true or false"),
    ('[tenant."/a"]\nhigh = 20\nmax = 10', "2:8", "at most 10 bytes"),
    ('[rule]\nthread = "x"', "1:1", "[[rule]]"),
    ('rule = 1', "1:8", "[[rule]]"),
    ('[[rule]]\ntenant = "/a"', "1:1", "one of thread, library"),
    ('[[rule]]\nthread = "x"', "1:1", 'tenant = "/path"'),
    ('[[rule]]\nthread = "x"\ntenant = "a"', "3:11", "a path below the root"),
    ('[[rule]]\nthread = "x"\ntenant = "/a/{tid"', "3:14", "'}' behind the field's name"),
    ('[[rule]]\nthread = "x"\ntenant = "/a/tid}"', "3:17", "'{' before the field's name"),
    ('[[rule]]\nthread = "x"\ntenant = "/a/{peer.addr}"', "3:14", "{tid} {thread} {pid}"),
    ('[[rule]]\nprocess = "x"\ntenant = "/a/{tid}"', "3:14", "{pid} {process}"),
    ('[[rule]]\npeer_uid = 1\ntenant = "/a/{tid}"', "3:14", "{peer.addr} {peer.port}"),
    ('[[rule]]\nthread = "x"\ntenant = "/' + "n" * 64 + '"', "3:12", "names of 1 to 63 bytes"),
    ('[[rule]]\nthread = "a[b"\ntenant = "/a"', "2:12", "']' behind the set"),
    ("[[rule]]\nthread = 'a\\'\ntenant = \"/a\"", "2:12", "a character behind the last"),
    ('[[rule]]\nthread = ""\ntenant = "/a"', "2:10", "text"),
    ('[[rule]]\nthread = 1\ntenant = "/a"', "2:10", "a string"),
    ('[[rule]]\nthread = "x"\npeer = "::1"\ntenant = "/a"', "3:8", "two rules"),
    ('[[rule]]\npeer = "10.0.0"\ntenant = "/a"', "2:8", "an address or a prefix"),
    ('[[rule]]\npeer = "10.0.0.0/33"\ntenant = "/a"', "2:8", "a length of 0 to 32"),
    ('[[rule]]\npeer = "::/129"\ntenant = "/a"', "2:8", "a length of 0 to 128"),
    ('[[rule]]\nlisten = "localhost"\ntenant = "/a"', "2:10", '"127.0.0.1:6379"'),
    ('[[rule]]\nlisten = "localhost:80"\ntenant = "/a"', "2:10", '"127.0.0.1:6379"'),
    ('[[rule]]\nlisten = "1.2.3.4:0"\ntenant = "/a"', "2:10", "a port of 1 to 65535"),
    ('[[rule]]\npeer_uid = -1\ntenant = "/a"', "2:12", "a number from 0"),
    ('[[rule]]\nthread = "x"\ncap = 0\ntenant = "/a"', "3:7", "a number from 1"),
    ('[[rule]]\nthred = "x"\nprocess = "y"\ntenant = "/a"', "2:1", "tenant, thread, library"),
]


def tenure(*arguments, **environment):
    return subprocess.run([TOOL, *arguments], env=CLEAN | environment, text=True, check=False, timeout=120,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)


class Files(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "rules.toml")

    def write(self, text):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(text)
        return self.path

    def test_a_good_file(self):
        done = tenure("rules", "check", self.write(GOOD))
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("5 rules, 1 tenants", done.stdout)
        self.assertEqual(tenure("rules", "check", self.write("")).returncode, 0)

    def test_every_error_has_its_place_and_says_what_is_right(self):
        for text, place, right in BAD:
            with self.subTest(text=text):
                done = tenure("rules", "check", self.write(text))
                self.assertEqual(done.returncode, 125)
                first = done.stderr.splitlines()[0]
                self.assertTrue(first.startswith(f"tenure: {self.path}:{place}: "), first)
                self.assertIn(right, first)
                # A program is not started with it.
                done = tenure("run", "--rules", self.path, "--", "echo", "started")
                self.assertEqual((done.returncode, done.stdout), (125, ""))
                self.assertEqual(done.stderr.splitlines(), [first])

    def test_all_errors_in_the_order_of_the_file(self):
        done = tenure("rules", "check", self.write('[[rule]]\ncap = 0\npeer = "x"\nfoo = 1\ntenant = "/a"\n[tenant.x]\n'))
        places = [line.split(":")[2] for line in done.stderr.splitlines()]
        self.assertEqual(places, ["2", "3", "4", "6"])

    def test_files_that_are_not_there(self):
        for path, why in (("/no/such/file", "No such file"), ("/", "Is a directory")):
            done = tenure("rules", "check", path)
            self.assertEqual((done.returncode, done.stdout), (125, ""))
            self.assertIn(why, done.stderr)

    def test_which_rule_would_match(self):
        path = self.write(GOOD)
        cases = [
            (("--thread", "conn1", "--library", "libx.so", "--symbol", "start_it", "--process", "p",
              "--command", "p --x"), f"{path}:7: /db/conn-12345"),
            (("--thread", "conn1", "--process", "p"), None),
            (("--process", "postgres"), f"{path}:15: /pg/12345"),
            (("--listen", "127.0.0.1:6379", "--peer", "10.1.2.3:99"), f"{path}:18: /clients/10.1.2.3"),
            (("--listen", "127.0.0.1:6379", "--peer", "10.2.2.3"), None),
            (("--listen", "/run/x.sock", "--peer-uid", "1001", "--peer-process", "worker1"),
             f"{path}:24: /unix/1001/worker1/0/0"),
            (("--peer", "fd12::1"), f"{path}:29: /v6"),
        ]
        for options, line in cases:
            with self.subTest(options=options):
                done = tenure("rules", "test", path, *options)
                self.assertEqual((done.returncode, done.stdout.strip()), (0, line) if line else (1, "no rule"), done.stderr)
        done = tenure("rules", "test", path, "--thread", "x", "--peer", "::1")
        self.assertEqual(done.returncode, 125)

    def test_rules_load_at_run_time(self):
        path = self.write('[[rule]]\nthread = "a*"\ntenant = "/old/{thread}"\n[tenant."/fixed"]\nmax = "1M"\n')
        with Asked(path) as asked:
            self.assertEqual(asked.say("thread a1"), "/old/a1")
            self.assertEqual(asked.say("thread b1"), "/")
            self.write('[[rule]]\nthread = "b*"\ntenant = "/new/{thread}"\n[[rule]]\npeer = "127.0.0.0/8"\n'
                       'tenant = "/clients/{peer.addr}"\n')
            done = tenure("rules", "load", str(asked.pid), path)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
            self.assertEqual(asked.say("thread a1"), "/")
            self.assertEqual(asked.say("thread b1"), "/new/b1")
            # A kind of rule that there was none of at the start.
            self.assertEqual(asked.say("connection 127.0.0.5"), "/clients/127.0.0.5")
            # A file with errors changes nothing.
            self.write("x")
            done = tenure("rules", "load", str(asked.pid), path)
            self.assertEqual(done.returncode, 125)
            self.assertEqual(asked.say("thread b1"), "/new/b1")
            self.write("")
            self.assertEqual(tenure("rules", "load", str(asked.pid), path).returncode, 0)
            self.assertEqual(asked.say("thread b1"), "/")

    def test_load_into_what_has_no_rules(self):
        path = self.write("")
        done = tenure("rules", "load", str(os.getpid()), path)
        self.assertEqual(done.returncode, 125)
        self.assertIn("was not started with rules", done.stderr)
        self.assertEqual(tenure("rules", "load", "999999999", path).returncode, 125)

    def test_a_program_whose_parent_has_closed_all_descriptors(self):
        with Asked(self.write('[[rule]]\nthread = "started"\ntenant = "/t/{thread}"\n')) as asked:
            # By system calls: then neither it nor the program that it starts has the file any more. A line says so.
            self.assertEqual(asked.say("start"), "/")
        self.assertIn("no rules are there", asked.stderr)

    def test_another_malloc(self):
        path = self.write('[[rule]]\nthread = "*"\ntenant = "/t"\n')
        share = tenure("run", "--rules", path, "--", "sh", "-c", "echo $TENURE_RULES").stdout.strip()
        for environment in ({"TENURE_TENANT": "/a"}, {"TENURE_RULES": share}):
            done = subprocess.run([ASKED, "thread", "x"], env=CLEAN | environment | {"LD_PRELOAD": RULES}, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True)
            self.assertEqual(done.stdout, "-\n")
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertTrue(done.stderr.startswith("tenure: rules: "))
        # With neither, not a word.
        done = subprocess.run([ASKED, "thread", "x"], env=CLEAN | {"LD_PRELOAD": RULES}, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True)
        self.assertEqual((done.stdout, done.stderr), ("-\n", ""))

    def test_without_rules_the_library_is_not_there(self):
        done = tenure("run", "--", "cat", "/proc/self/maps")
        self.assertNotIn("libtenure_rules", done.stdout)

    def test_bad_variables(self):
        for value in ("x", "3", "-1:2", "5:", "99999999999:1", "0:1"):
            done = subprocess.run([ASKED, "thread", "x"], env=CLEAN | {"LD_PRELOAD": RULES, "TENURE_RULES": value},
                                  text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  check=True)
            self.assertIn("no rules are there", done.stderr)


class Asked:
    """The program, which does what it is told."""

    def __init__(self, path):
        self.process = subprocess.Popen([TOOL, "run", "--rules", path, "--", ASKED], env=CLEAN, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.pid = self.process.pid
        self.stderr = ""

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.stderr = self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()
        if self.process.wait(60) != 0:
            raise AssertionError(self.stderr)


if __name__ == "__main__":
    signal.alarm(300)
    unittest.main(argv=sys.argv[:1] + sys.argv[4:])
