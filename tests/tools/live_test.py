#!/usr/bin/env python3
"""live_test.py <tenure> <region_holder>: the commands that look into processes and change them, as a person uses them."""
import json
import os
import signal
import subprocess
import sys
import time
import unittest

import holders
from holders import ToolCase

MIB = 1 << 20


class Looking(ToolCase):
    def test_ps_lists_processes(self):
        first, second = self.hold(), self.hold(3)
        found = {entry["pid"]: entry for entry in json.loads(self.good("ps", "--json"))}
        self.assertEqual(found[first.pid]["tenants"], 120)
        self.assertEqual(found[second.pid]["tenants"], 3)
        self.assertEqual(found[first.pid]["name"], "region_holder")
        self.assertEqual(found[first.pid]["mode"], "rseq")
        text = self.good("ps")
        self.assertRegex(text, rf"(?m)^ *{first.pid}  region_holder  .* running ")

    def test_ls_shows_the_tree(self):
        holder = self.hold()
        lines = self.good("ls", holder.pid).splitlines()
        self.assertEqual(len(lines), 122)
        self.assertTrue(lines[1].startswith("/ "))
        self.assertTrue(lines[2].startswith("  t1 "))
        self.assertTrue(any(line.startswith("    t11 ") for line in lines))
        paths = [entry["path"] for entry in json.loads(self.good("ls", holder.pid, "--json"))]
        self.assertIn("/t1/t11/t12", paths)
        self.assertEqual([entry["path"] for entry in json.loads(self.good("ls", holder.pid, "/t101/**", "--json"))
                          if entry["path"].count("/") == 2], [f"/t101/t{n}" for n in range(102, 112)])

    def test_ls_chooses_and_sorts(self):
        holder = self.hold()
        flat = self.good("ls", holder.pid, "--flat", "--sort", "usage").splitlines()
        self.assertTrue(flat[1].startswith("/t101/t111/t120 "), flat[1])
        self.assertEqual(len(self.good("ls", holder.pid, "/t101", "--depth", 0).splitlines()), 2)
        self.assertEqual(len(self.good("ls", holder.pid, "/t1/*").splitlines()), 1 + 18)
        self.assertEqual(len(self.good("ls", holder.pid, "/**/t1[12]").splitlines()), 3)

    def test_stat_is_exact(self):
        holder = self.hold()
        tenant = json.loads(self.good("stat", holder.pid, "/t1", "--json"))
        self.assertEqual((tenant["usage"], tenant["max"], tenant["high"]), (1000, 2 * MIB + 1, None))
        self.assertEqual((tenant["failures"], tenant["events"]["max"]), (1, 1))
        holder.tell("usage 1 123456")
        self.assertEqual(json.loads(self.good("stat", holder.pid, "/t1", "--json"))["usage"], 123456)
        whole = json.loads(self.good("stat", holder.pid, "--json"))
        self.assertEqual(len(whole["tenants"]), 121)
        self.assertEqual(whole["totals"]["allocated"], 7 * MIB)
        self.assertEqual(whole["classes"][0]["live"], 4400)
        self.assertIn("usage                  121K     123456", self.good("stat", holder.pid, "/t1"))

    def test_events(self):
        holder = self.hold()
        for number in (5, 6, 7):
            holder.tell(f"event {number}")
        events = [json.loads(line) for line in self.good("events", holder.pid, "--json").splitlines()]
        self.assertEqual([event["tenant"] for event in events], ["/t1/t5", "/t1/t6", "/t1/t7"])
        self.assertEqual(events[0]["kind"], "failed")
        self.assertIn("a request for 64K was refused", self.good("events", holder.pid, "/t1/t6", "--kind", "failed"))
        self.assertEqual(self.good("events", holder.pid, "--kind", "max"), "")

    def test_events_are_followed_to_the_end(self):
        holder = self.hold()
        follower = subprocess.Popen([self.tool, "events", str(holder.pid), "-f", "--json"], text=True,
                                    env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for number in range(1, 41):
            holder.tell(f"event {number}")
        seen = [json.loads(follower.stdout.readline())["sequence"] for _ in range(40)]
        self.assertEqual(seen, list(range(1, 41)))
        holder.kill()
        _, errors = follower.communicate(timeout=20)
        self.assertEqual(follower.returncode, 0)
        self.assertIn("has ended", errors)

    def test_explain(self):
        holder = self.hold()
        holder.tell("serve")
        done = self.tenure("explain", holder.pid, "/t1", "--json")
        self.assertEqual((done.returncode, done.stderr.count("\n")), (0, 1))
        self.assertIn("does not know this request; figures of the heap are as of ", done.stderr)
        facts = json.loads(done.stdout)
        self.assertIsNone(facts["heap"])
        parts = {part["name"]: part["bytes"] for part in facts["parts"]}
        self.assertEqual(parts["own live objects"], 900)
        self.assertEqual(parts["below: /t91"], 91000)
        self.assertIn("nearest limit is the max of /t1", self.tenure("explain", holder.pid, "/t1").stdout)

    def test_a_stopped_process(self):
        holder = self.hold()
        os.kill(holder.pid, signal.SIGSTOP)
        self.assertIn("stopped", self.good("ps"))
        self.assertEqual(len(self.good("ls", holder.pid).splitlines()), 122)
        self.assertIn("max 5M", self.good("set", holder.pid, "/t1", "max=5M"))
        self.bad(5, "it is stopped", "trim", holder.pid, "--timeout", "50ms")

    def test_a_process_by_its_name(self):
        holder = self.hold()
        self.assertEqual(self.good("stat", "region_holder", "/t1"), self.good("stat", holder.pid, "/t1"))
        self.hold()
        self.bad(2, "are called region_holder", "stat", "region_holder")

    def test_a_killed_process_is_told_of_once(self):
        holder = self.hold()
        holder.tell("event 5")
        holder.kill()
        done = self.tenure("ls", holder.pid)
        self.assertEqual(done.returncode, 0)
        self.assertIn("has ended; this is what it left", done.stderr)
        self.assertEqual(len(done.stdout.splitlines()), 122)
        self.assertIn("refused", self.tenure("events", holder.pid).stdout)
        self.assertRegex(self.good("ps"), rf"{holder.pid} .* ended")
        self.assertFalse(os.path.exists(holder.path))
        self.assertNotIn(str(holder.pid), self.good("ps"))
        self.bad(2, "there is no process", "ls", holder.pid)

    def test_control_characters_of_names_stay_away_from_the_terminal(self):
        holder = self.hold(3)
        with open(holder.path, "r+b") as region:
            region.seek(256 * 1024 + 384 + 192)  # The first tenant's name.
            region.write(b"a\x1b[2J\xff\xc2\x9b/b\n\0")
        for command in ("ls", "top"):
            text = self.good(command, *(["--once", "--interval", "50ms"] if command == "top" else []), holder.pid)
            self.assertIn("a?[2J????b?", text)
            self.assertNotRegex(text, "[\x00-\x09\x0b-\x1f\x7f\x80-\x9f]")


class Changing(ToolCase):
    def test_limits_and_policy(self):
        holder = self.hold()
        text = self.good("set", holder.pid, "/t1", "max=1.5M", "high=1M", "policy=fail-all", "low=4K", "reserve=0")
        self.assertIn("max 1.5M (was 2M)", text)
        tenant = json.loads(self.good("stat", holder.pid, "/t1", "--json"))
        self.assertEqual((tenant["max"], tenant["high"], tenant["low"], tenant["reserve"], tenant["policy"]),
                         (3 * MIB // 2, MIB, 4096, 0, "fail-all"))
        self.assertEqual(tenant["usage"], 1000)
        self.assertEqual(holder.tell("nothing"), [1000, 3 * MIB // 2])
        self.good("set", holder.pid, "/t1", "max=max")
        self.assertIsNone(json.loads(self.good("stat", holder.pid, "/t1", "--json"))["max"])

    def test_patterns(self):
        holder = self.hold()
        self.assertEqual(len(self.good("set", holder.pid, "/t1/t1?", "max=7M").splitlines()), 2)
        self.assertEqual(len(self.good("set", holder.pid, "/*", "max=8M").splitlines()), 2)
        self.assertEqual(len(self.good("set", holder.pid, "/**", "max=9M").splitlines()), 120)
        maxes = {tenant["max"] for tenant in json.loads(self.good("ls", holder.pid, "--json"))[1:]}
        self.assertEqual(maxes, {9 * MIB})
        changed = json.loads(self.good("set", holder.pid, "/t1", "max=1M", "--json"))
        self.assertEqual((changed["path"], changed["max"]), ("/t1", MIB))

    def test_dry_run_changes_nothing(self):
        holder = self.hold()
        before = self.good("ls", holder.pid, "--json")
        self.assertIn("--dry-run", self.good("set", holder.pid, "/t1", "max=1M", "--dry-run"))
        self.assertEqual(self.good("ls", holder.pid, "--json"), before)

    def test_what_is_above_a_new_limit_is_reclaimed(self):
        holder = self.hold()
        self.assertIn("reclaimed from at the next request", self.good("set", holder.pid, "/t1", "max=500"))
        holder.tell("serve")
        self.assertIn("usage 1000, after reclaim 4K", self.good("set", holder.pid, "/t1", "max=600"))

    def test_requests(self):
        holder = self.hold()
        self.bad(5, "it has no helper thread", "trim", holder.pid, "--timeout", "50ms")
        holder.tell("serve")
        self.assertEqual(self.good("reclaim", holder.pid, "/t1", "1M"), "/t1: 512K of 1M reclaimed, usage 1000\n")
        answer = json.loads(self.good("reclaim", holder.pid, "/t1", "4K", "--json"))
        self.assertEqual(answer, {"asked": 4096, "reclaimed": 2048, "usage": 1000})
        self.assertEqual(json.loads(self.good("trim", holder.pid, "--json")), {"returned": 0})
        self.bad(5, "refused: Device or resource busy", "reclaim", holder.pid, "/t1/t3", "1M")

    def test_more_requests_than_there_is_room_for(self):
        holder = self.hold()
        commands = [subprocess.Popen([self.tool, "trim", str(holder.pid), "--timeout", "300ms"], text=True,
                                     env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                    for _ in range(20)]
        for command in commands:
            command.communicate(timeout=30)
            self.assertEqual(command.returncode, 5)
        holder.tell("serve")
        self.good("trim", holder.pid)  # Those that nobody served have given their places back.


class Errors(ToolCase):
    def setUp(self):
        super().setUp()
        self.holder = self.hold()
        self.pid = self.holder.pid
        self.before = self.good("ls", self.pid, "--json")

    def unchanged(self):
        self.assertEqual(self.good("ls", self.pid, "--json"), self.before)

    def test_command_lines(self):
        for text, *line in (("no setting", "set", self.pid, "/t1", "max"),
                            ("no setting", "set", self.pid, "/t1", "maximum=3M"),
                            ("bad value '12Q'", "set", self.pid, "/t1", "max=12Q"),
                            ("bad value '-1'", "set", self.pid, "/t1", "max=-1"),
                            ("bad value ''", "set", self.pid, "/t1", "max="),
                            ("bad value '9P'", "set", self.pid, "/t1", "high=1M", "max=9P"),
                            ("bad value '1.5'", "set", self.pid, "/t1", "max=1.5"),
                            ("cannot be without bound", "set", self.pid, "/t1", "low=max"),
                            ("no policy 'kill'", "set", self.pid, "/t1", "max=1M", "policy=kill"),
                            ("has no limits", "set", self.pid, "/", "max=1M"),
                            ("SETTING", "set", self.pid, "/t1"),
                            ("no number of bytes", "reclaim", self.pid, "/t1", "0"),
                            ("no time", "reclaim", self.pid, "/t1", "1M", "--timeout", "soon"),
                            ("no order 'size'", "ls", self.pid, "--sort", "size"),
                            ("no kind 'kill'", "events", self.pid, "--kind", "kill"),
                            ("no format 'xml'", "export", "--format", "xml"),
                            ("no address", "export", "--listen", "nowhere"),
                            ("no process's number", "ls", "0"),
                            ("--bogus", "ps", "--bogus")):
            with self.subTest(line=line):
                done = self.tenure(*line)
                self.assertEqual((done.returncode, done.stdout), (125, ""), done)
                self.assertIn(text, done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.unchanged()

    def test_what_is_not_there(self):
        self.bad(2, "there is no process 99999999", "ls", 99999999)
        self.bad(2, "has no tenant /t4711", "stat", self.pid, "/t4711")
        self.bad(2, "did you mean /t1/t10", "stat", self.pid, "/t1/t1l")
        self.bad(2, "no tenant that matches /x*", "set", self.pid, "/x*", "max=1M")
        self.bad(2, "no process under Tenure is called nobody", "ls", "nobody")
        self.bad(2, "shows no tenants", "ls", os.getpid())
        self.bad(2, "there is no process", "set", 99999999, "/t1", "max=1M")
        self.unchanged()

    def test_a_tenant_that_went(self):
        """Another generation in its slot: a successor."""
        self.holder.tell("generation 1 3")
        self.assertNotIn('"/t1"', self.good("ls", self.pid, "--json"))
        self.holder.tell("generation 1 2")
        self.unchanged()

    def test_regions_of_other_versions(self):
        self.holder.tell("version 2")
        for command in (["ls", self.pid], ["set", self.pid, "/t1", "max=1M"], ["trim", self.pid], ["top", self.pid]):
            self.bad(4, "has version 2", *command)
        done = self.tenure("ps")
        self.assertEqual(done.returncode, 0)
        self.assertIn("has version 2", done.stderr)
        self.holder.tell("version 1")
        self.unchanged()

    def test_regions_that_are_damaged(self):
        for size in (256 * 1024 + 100, 5000, 100, 0):
            os.truncate(self.holder.path, size)
            for command in (["ls", self.pid], ["set", self.pid, "/t1", "max=1M"], ["events", self.pid]):
                self.bad(4, "cut off", *command)
            self.assertEqual(self.tenure("ps").returncode, 0)

    def test_a_sparse_region_that_claims_to_be_endless(self):
        os.truncate(self.holder.path, 1 << 40)
        with open(self.holder.path, "r+b") as region:
            for at, count in ((504, 1 << 31), (484, 1 << 31)):  # slots, event_entries
                region.seek(at)
                was = region.read(4)
                region.seek(at)
                region.write(count.to_bytes(4, "little"))
                region.flush()
                self.bad(4, "more entries than any region has", "ls", self.pid)
                region.seek(at)
                region.write(was)
                region.flush()
        self.unchanged()

    def test_regions_that_others_may_write_to(self):
        self.holder.tell("mode 666")
        self.bad(3, "others may read or write it", "ls", self.pid)
        self.holder.tell("mode 600")
        self.unchanged()

    def test_files_that_are_no_regions(self):
        for name in ("1", "2.1", "3", "garbage", "99999999999999999999"):
            with open(os.path.join(self.folder, name), "wb") as file:
                file.write(os.urandom(300000))
            os.chmod(file.name, 0o600)
        os.mkfifo(os.path.join(self.folder, "4"), 0o600)
        os.symlink("/etc/passwd", os.path.join(self.folder, "5"))
        os.mkdir(os.path.join(self.folder, "6"))
        done = self.tenure("ps", "--json")
        self.assertEqual(done.returncode, 0)
        self.assertEqual([entry["pid"] for entry in json.loads(done.stdout)], [self.pid])
        self.assertTrue(os.path.exists(os.path.join(self.folder, "1")))

    def test_other_programs_files_that_are_named_by_their_number(self):
        """As a Java machine's hsperfdata."""
        program = ("import mmap, os, sys, time\n"
                   "path = os.path.join(sys.argv[1], str(os.getpid()))\n"
                   "file = open(path, 'w+b')\n"
                   "file.write(bytes(8192))\n"
                   "file.flush()\n"
                   "held = mmap.mmap(file.fileno(), 8192)\n"
                   "print('ready', flush=True)\n"
                   "sys.stdin.read()\n")
        other = subprocess.Popen([sys.executable, "-c", program, self.scratch], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, text=True)
        self.addCleanup(other.communicate)
        self.assertEqual(other.stdout.readline(), "ready\n")
        self.assertNotIn(f" {other.pid} ", self.good("ps"))
        self.bad(2, "shows no tenants", "ls", other.pid)

    @unittest.skipUnless(os.getuid() == 0, "only root can become another user")
    def test_another_users_process(self):
        done = self.tenure("ls", self.pid, user=65534)
        self.assertEqual((done.returncode, done.stdout), (3, ""), done)
        self.assertIn("belongs to root", done.stderr)
        self.assertEqual(self.tenure("set", self.pid, "/t1", "max=1M", user=65534).returncode, 3)
        self.assertEqual(json.loads(self.tenure("ps", "--json", user=65534).stdout), [])
        self.unchanged()

    def test_a_file_of_another_start_of_the_process(self):
        """The same number, another start: what a process left whose number was given again."""
        with open(self.holder.path, "rb") as file:
            region = bytearray(file.read())
        self.holder.close()
        region[16 + 8 + 16:16 + 8 + 24] = (12345).to_bytes(8, "little")  # start_ticks
        region[24:28] = os.getpid().to_bytes(4, "little")
        with open(os.path.join(self.folder, str(os.getpid())), "wb") as file:
            file.write(region)
        os.chmod(file.name, 0o600)
        self.bad(2, "shows no tenants", "ls", os.getpid())
        self.assertIn("ended", self.good("ps"))
        self.assertFalse(os.path.exists(file.name))


class Doctor(ToolCase):
    def test_the_machine(self):
        done = self.tenure("doctor", "--json")
        self.assertIn(done.returncode, (0, 1))
        findings = json.loads(done.stdout)
        self.assertEqual(done.returncode == 1, any(entry["level"] == "problem" for entry in findings))
        self.assertTrue({"kernel", "rseq", "membarrier", "cgroup"} <= {entry["topic"] for entry in findings})
        for entry in findings:
            self.assertEqual(entry["remedy"] == "", entry["level"] == "ok", entry)
        off = self.tenure("doctor", GLIBC_TUNABLES="glibc.pthread.rseq=0").stdout
        self.assertIn("take glibc.pthread.rseq=0 out", off)

    def test_processes_without_the_library(self):
        self.assertIn("start the program by 'tenure run'", self.tenure("doctor", os.getpid()).stdout)
        done = subprocess.Popen(["sleep", "60"], env={**holders.CLEAN, "LD_PRELOAD": "/no/libtenure.so"},
                                stderr=subprocess.DEVNULL)
        self.addCleanup(done.wait)
        self.addCleanup(done.kill)
        deadline = time.monotonic() + 20
        while "though LD_PRELOAD is /no/libtenure.so" not in self.tenure("doctor", done.pid).stdout:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)
        self.bad(2, "there is no process", "doctor", 99999999)


class Large(ToolCase):
    def test_a_hundred_thousand_tenants(self):
        holder = self.hold(100_000)
        self.assertEqual(len(self.good("ls", holder.pid).splitlines()), 100_002)
        self.assertEqual(len(json.loads(self.good("ls", holder.pid, "--json"))), 100_001)
        self.assertEqual(len(self.good("top", holder.pid, "--once", "--interval", "50ms").splitlines()), 100_003)
        self.assertIn('tenant="other"', self.good("export", holder.pid))


if __name__ == "__main__":
    ToolCase.tool, ToolCase.holder_program = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
