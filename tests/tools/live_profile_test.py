#!/usr/bin/env python3
"""live_profile_test.py <tenure> <libtenure.so> <program>: profiles of a process that runs, and the profile in Go's pprof."""
import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

TOOL, LIBRARY, PROGRAM = (os.path.abspath(path) for path in sys.argv[1:4])
CLEAN = {name: value for name, value in os.environ.items()
         if not name.startswith("TENURE_") and name != "LD_PRELOAD"}
MODES = [{}, {"GLIBC_TUNABLES": "glibc.pthread.rseq=0"}, {"TENURE_RSEQ": "off"}, {"TENURE_CHECK": "hardened"}]


class Target:
    def __init__(self, folder, **environment):
        self.folder = folder
        self.process = subprocess.Popen([PROGRAM, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=CLEAN | {"LD_PRELOAD": LIBRARY, "TENURE_LIVE": folder, "TENURE_HELPER": "on",
                                                     "TENURE_PROFILE_FILE": ""} | environment)
        assert self.process.stdout.readline() == "ready\n"
        self.pid = str(self.process.pid)

    def tell(self, what):
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def tenure(self, *arguments):
        return subprocess.run([TOOL, *arguments], env=CLEAN | {"TENURE_LIVE": self.folder}, check=False, timeout=60, cwd=self.folder,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def end(self):
        self.process.kill()
        self.process.communicate()


class LiveProfiles(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def target(self, **environment):
        target = Target(self.folder, **environment)
        self.addCleanup(target.end)
        return target

    def say(self, target, *arguments):
        done = target.tenure(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.decode()

    def test_start_run_collect_stop(self):
        for number, mode in enumerate(MODES):
            with self.subTest(mode=mode):
                target = self.target(**mode)
                self.say(target, "profile", "start", target.pid, "--mean", "4096")
                target.tell("run")
                output = os.path.join(self.folder, f"{number}.json")
                self.say(target, "profile", target.pid, "-o", output)
                with open(output, encoding="utf-8") as stream:
                    sites = json.load(stream)["sites"]
                kept = sum(site["live_bytes"] for site in sites if "keep_acme" in site["stack"])
                # 5 standard errors, as in profile_test.py.
                self.assertAlmostEqual(kept, 4000 * 1024, delta=4000 * 1024 * .14)
                text = self.say(target, "profile", target.pid, "--tenant", "/group", "--format", "text")
                self.assertIn("/group/other", text)
                self.assertNotIn("/acme", text)
                first, site = self.say(target, "leaks", target.pid).splitlines()
                self.assertRegex(first, r"^/lost: .* the oldest of [\d.]+ s$")
                self.assertRegex(site, r"^ .* objects, +[\d.]+ s  lose < run < serve_input < main")
                self.assertIn("samples no more", self.say(target, "profile", "stop", target.pid))
                self.assertIn("sampled nothing", self.say(target, "profile", "stop", target.pid))
                target.end()

    def test_a_while_of_a_process_that_did_not_sample(self):
        target = self.target()
        said = self.say(target, "profile", target.pid, "--seconds", "10ms")
        name = f"tenure.{target.pid}.pb.gz"
        self.assertTrue(said.startswith(name), said)
        with open(os.path.join(self.folder, name), "rb") as stream:
            gzip.decompress(stream.read())
        self.assertIn("sampled nothing", self.say(target, "profile", "stop", target.pid))

    def test_an_interrupt_ends_the_wait_not_the_profile(self):
        target = self.target()
        tool = subprocess.Popen([TOOL, "profile", target.pid, "--seconds", "3600", "--mean", "4K", "--format", "json"],
                                env=CLEAN | {"TENURE_LIVE": self.folder}, cwd=self.folder, stdout=subprocess.PIPE)
        def is_ready():
            with open(f"/proc/{tool.pid}/status", encoding="utf-8") as status:
                caught = int(re.search(r"^SigCgt:\s*(\w+)", status.read(), re.MULTILINE).group(1), 16)
            return caught >> (signal.SIGINT - 1) & 1 and ", as before" in self.say(target, "profile", "start", target.pid)
        while not is_ready():
            self.assertIsNone(tool.poll())
        target.tell("run")
        while tool.poll() is None:  # One that comes right before the wait is not heeded.
            tool.send_signal(signal.SIGINT)
            try:
                tool.wait(timeout=5)
            except subprocess.TimeoutExpired:
                pass
        self.assertEqual(tool.returncode, 0)
        self.assertIn("keep_acme", tool.stdout.read().decode())
        tool.stdout.close()

    def test_processes_that_do_not_answer(self):
        target = self.target()
        done = target.tenure("leaks", target.pid)
        self.assertEqual((done.returncode, done.stdout), (5, b""))
        self.assertIn(b"samples nothing", done.stderr)
        os.kill(int(target.pid), signal.SIGSTOP)
        for arguments in (["profile", target.pid], ["profile", "start", target.pid], ["leaks", target.pid]):
            done = target.tenure(*arguments, "--timeout", "50ms")
            self.assertEqual(done.returncode, 5)
            self.assertRegex(done.stderr.decode(), r"^tenure: process .* gave no answer within 50 ms: it is stopped\n$")
        os.kill(int(target.pid), signal.SIGCONT)
        for arguments in (["profile"], ["profile", target.pid, "--seconds", "x"], ["profile", target.pid, "--mean", "3"]):
            done = target.tenure(*arguments)
            self.assertEqual(done.returncode, 125, arguments)
            self.assertEqual(len(done.stderr.splitlines()), 1)
        self.assertEqual(target.tenure("profile", "no such process").returncode, 2)

    @unittest.skipUnless(shutil.which("go"), "needs go")
    def test_pprof_of_go(self):
        target = self.target(TENURE_PROFILE="4096")
        target.tell("run")
        self.say(target, "profile", target.pid, "-o", os.path.join(self.folder, "x.pb.gz"))
        for kind, function, least in (("inuse_space", "keep_acme", 3.3), ("alloc_space", "drop_other", 1.6)):
            done = subprocess.run(["go", "tool", "pprof", "-top", "-unit=MB", "-sample_index=" + kind, "x.pb.gz"],
                                  cwd=self.folder, check=False, timeout=60, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, env=CLEAN | {"HOME": self.folder})
            self.assertEqual(done.returncode, 0, done.stderr)
            text = done.stdout.decode()
            match = re.search(rf"^\s*([\d.]+)MB .* {function}$", text, re.MULTILINE)
            self.assertTrue(match, text)
            self.assertGreater(float(match.group(1)), least)
        # Labels select tenants.
        done = subprocess.run(["go", "tool", "pprof", "-top", "-tagfocus=tenant=/lost", "x.pb.gz"], cwd=self.folder,
                              check=True, timeout=60, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=CLEAN | {"HOME": self.folder})
        self.assertIn(" lose\n", done.stdout.decode())
        self.assertNotIn("keep_acme", done.stdout.decode())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
