#!/usr/bin/env python3
"""real_test.py <tenure> <libtenure.so> <mode>: the commands on programs that really run under the library."""
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import unittest

import holders
from holders import ToolCase

MIB = 1 << 20
# A program with tenants: obeys lines on its standard input, as "create a/b 1000000", "take a/b 4096 100", "free a/b", "fork".
PROGRAM = r"""
import ctypes, os, sys
lib = ctypes.CDLL(None)
lib.tenure_tenant_find.restype = ctypes.c_void_p
lib.tenure_malloc.restype = ctypes.c_void_p
lib.tenure_malloc.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
lib.tenure_root.restype = ctypes.c_void_p
lib.free.argtypes = [ctypes.c_void_p]
UNLIMITED = ctypes.c_size_t(-1).value
handles, blocks = {}, {}
def create(path, limit):
    above, _, name = path.rpartition("/")
    handle = ctypes.c_void_p()
    result = lib.tenure_tenant_create(handles.get(above), name.encode(), 0, ctypes.byref(handle))
    lib.tenure_tenant_set_policy(handle, 1)
    if limit:
        lib.tenure_tenant_set_limit(handle, 3, ctypes.c_size_t(limit))
    handles[path], blocks[path] = handle, []
    return result
def take(path, size, count):
    for number in range(count):
        block = lib.tenure_malloc(handles[path], size)
        if not block:
            return number
        blocks[path].append(block)
    return count
for line in sys.stdin:
    verb, *words = line.split()
    answer = 0
    if verb == "create":
        answer = create(words[0], int(words[1]))
    elif verb == "many":
        for number in range(int(words[0])):
            create(f"n{number}", 0)
    elif verb == "take":
        answer = take(words[0], int(words[1]), int(words[2]))
    elif verb == "free":
        for block in blocks[words[0]]:
            lib.free(block)
        blocks[words[0]] = []
    elif verb == "leave":
        answer = lib.tenure_tenant_offline(handles[words[0]], 0)
        lib.tenure_tenant_close(handles.pop(words[0]))
    elif verb == "fork":
        answer = os.fork()
        if answer == 0:
            take(words[0], 1000, 100)
            sys.stdin.read()
            os._exit(0)
    elif verb == "validate":
        answer = lib.tenure_validate()
    print(answer, flush=True)
"""


class Target:
    def __init__(self, command, environment):
        self.process = subprocess.Popen(command, env=environment, text=True, bufsize=1, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self.pid = self.process.pid

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        return int(self.process.stdout.readline())

    def close(self):
        if self.process.poll() is None:
            os.kill(self.pid, signal.SIGCONT)
        self.process.stdin.close()
        self.process.wait(timeout=60)
        self.process.stdout.close()


class Real(ToolCase):
    library, mode = None, []

    def start(self, *options, environment=None):
        target = Target([self.tool, "run", "--lib", self.library, *self.mode, *options, "--", sys.executable, "-c", PROGRAM],
                        {**self.environment(), **(environment or {})})
        self.addCleanup(target.close)
        return target

    def start_with_helper(self):
        return self.start(environment={"TENURE_HELPER": "on"})

    def stat(self, pid, path):
        return json.loads(self.good("stat", pid, path, "--json"))

    def test_tenants_of_a_program(self):
        target = self.start()
        target.tell("create shop 0")
        target.tell(f"create shop/acme {8 * MIB}")
        self.assertEqual(target.tell("take shop/acme 65536 16"), 16)
        here = {entry["pid"]: entry for entry in json.loads(self.good("ps", "--json"))}[target.pid]
        self.assertEqual(here["tenants"], 2)
        acme = self.stat(target.pid, "/shop/acme")
        self.assertTrue(MIB <= acme["usage"] <= 2 * MIB, acme)
        self.assertEqual((acme["max"], acme["policy"]), (8 * MIB, "fail-all"))
        self.assertEqual(self.stat(target.pid, "/shop")["usage"], acme["usage"])
        self.assertIn(target.tell("take shop/acme 65536 1000") + 16, range(120, 129))
        acme = self.stat(target.pid, "/shop/acme")
        self.assertEqual(acme["failures"], 1)
        self.assertLessEqual(acme["usage"], 8 * MIB)
        self.assertRegex(self.good("ls", target.pid), r"(?m)^    acme +8M +8M +100% ")
        target.tell("free shop/acme")
        self.assertEqual(target.tell("validate"), 0)
        self.assertLessEqual(self.stat(target.pid, "/shop/acme")["usage"], MIB)

    def explained(self, target, path):
        return json.loads(self.good("explain", target.pid, path, "--json"))

    def test_explain_tells_classes_and_holders(self):
        target = self.start_with_helper()
        for path in ("shop", "shop/acme", "shop/beta", "shop/gone"):
            target.tell(f"create {path} 0")
        target.tell("take shop/acme 2000 5")
        target.tell("take shop/beta 2000 7")
        target.tell("take shop/gone 2000 11")
        target.tell("take shop/acme 100000 3")
        acme = self.explained(target, "/shop/acme")
        heap = acme["heap"]
        self.assertFalse(heap["isolated"])
        self.assertEqual([(entry["size"], entry["live"], entry["pooled"], entry["live_bytes"]) for entry in heap["classes"]],
                         [(2048, 5, 5, 5 * 2048)])
        self.assertEqual((heap["large"]["objects"], heap["holders"][0]["tenant"]), (3, "/shop/acme"))
        self.assertLessEqual(3 * 100000, heap["large"]["bytes"])
        self.assertEqual(heap["holders"][0]["bytes"], 5 * 2048)
        parts = sum(part["bytes"] for part in acme["parts"] if not part["name"].startswith("("))
        self.assertEqual(parts, acme["tenant"]["usage"])

        self.assertEqual(target.tell("leave shop/gone"), 0)
        shop = self.explained(target, "/shop")["heap"]
        self.assertEqual(shop["departed"], {"tenants": 1, "bytes": 11 * 2048})
        holders = {(holder["tenant"], holder.get("departed")): holder["bytes"] for holder in shop["holders"]}
        self.assertEqual(holders, {("/shop/acme", None): 5 * 2048, ("/shop/beta", None): 7 * 2048,
                                   ("/shop", "gone"): 11 * 2048})
        text = self.good("explain", target.pid, "/shop")
        self.assertRegex(text, r"(?m)^gone \(departed; /shop pays\) +\d+ +\d+ +22K +22K$")
        # Promotion: slabs of its own.
        target.tell("take shop/acme 2000 2000")
        acme = self.explained(target, "/shop/acme")["heap"]["classes"][0]
        self.assertEqual(acme["live"], 2005)
        self.assertGreater(acme["slabs"], 50)
        self.assertGreaterEqual(acme["slab_bytes"], (acme["live"] - acme["pooled"]) * 2048)
        root = self.explained(target, "/")["heap"]
        self.assertIn("/shop/acme", [holder["tenant"] for holder in root["holders"]])
        self.assertEqual(sorted(os.listdir(self.folder)), [str(target.pid)])

    def test_explain_without_an_answer(self):
        target = self.start_with_helper()
        target.tell("create acme 0")
        os.kill(target.pid, signal.SIGSTOP)
        start = time.monotonic()
        done = self.tenure("explain", target.pid, "/acme", "--timeout", "20s")
        self.assertLess(time.monotonic() - start, 10)
        self.assertEqual((done.returncode, done.stderr.count("\n")), (0, 1))
        self.assertIn("gave no answer within 20000 ms: it is stopped", done.stderr)
        self.assertIn("/acme: usage 0", done.stdout)
        os.kill(target.pid, signal.SIGCONT)
        # A program without threads and without a helper answers as it allocates; this one does not.
        alone = self.start()
        alone.tell("create acme 0")
        done = self.tenure("explain", alone.pid, "--timeout", "50ms")
        self.assertIn("has no helper thread", done.stderr)

    def test_a_limit_from_outside_holds_at_once(self):
        """Also for a process that was stopped all the while."""
        target = self.start()
        target.tell("create acme 0")
        self.assertEqual(target.tell("take acme 65536 16"), 16)
        self.good("set", target.pid, "/acme", "max=4M")
        self.assertLess(target.tell("take acme 65536 1000"), 64)
        self.assertLessEqual(self.stat(target.pid, "/acme")["usage"], 4 * MIB)
        os.kill(target.pid, signal.SIGSTOP)
        self.good("set", target.pid, "/acme", "max=6M")
        os.kill(target.pid, signal.SIGCONT)
        self.assertGreater(target.tell("take acme 65536 1000"), 16)
        usage = self.stat(target.pid, "/acme")["usage"]
        self.assertTrue(4 * MIB < usage <= 6 * MIB, usage)
        self.good("set", target.pid, "/*", "max=max", "policy=observe")
        self.assertEqual(target.tell("take acme 65536 200"), 200)
        target.tell("free acme")
        self.assertEqual(target.tell("validate"), 0)

    def test_a_limit_changes_under_load(self):
        """A program that allocates as fast as it can, while limits go up and down from outside: usage never passes the higher one."""
        target = self.start()
        target.tell(f"create acme {8 * MIB}")
        for step in range(20):
            target.process.stdin.write("take acme 1000 20000\n")
            self.good("set", target.pid, "/acme", f"max={4 + 4 * (step % 2)}M")
            self.assertLessEqual(self.stat(target.pid, "/acme")["usage"], 8 * MIB)
            target.process.stdout.readline()
            target.tell("free acme")
        self.assertEqual(target.tell("validate"), 0)

    def test_a_killed_program_leaves_nothing_that_ps_trips_over(self):
        targets = [self.start() for _ in range(3)]
        for target in targets:
            target.tell("create acme 0")
        targets[1].process.kill()
        targets[1].process.wait()
        self.assertRegex(self.good("ps"), rf"{targets[1].pid} .* ended")
        text = self.good("ps")
        self.assertNotIn(str(targets[1].pid), text)
        self.assertIn(str(targets[2].pid), text)
        self.assertEqual(len(os.listdir(self.folder)), 2)

    def test_a_forked_child_is_a_process_of_its_own(self):
        target = self.start()
        target.tell("create acme 0")
        target.tell("take acme 65536 16")
        child = target.tell("fork acme")
        deadline = time.monotonic() + 60
        while str(child) not in self.good("ps"):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
        self.good("set", child, "/acme", "max=64M")
        self.assertEqual(self.stat(child, "/acme")["max"], 64 * MIB)
        self.assertIsNone(self.stat(target.pid, "/acme")["max"])
        self.assertGreater(self.stat(child, "/acme")["usage"], MIB)

    def test_run_shows_tenants_unless_told_not_to(self):
        target = self.start("--no-live")
        self.assertEqual(target.tell("create acme 0"), 0)
        self.bad(2, "shows no tenants", "ls", target.pid)
        done = self.tenure("doctor", target.pid)
        self.assertEqual(done.returncode, 1)
        self.assertIn("does not show its tenants", done.stdout)

    def test_doctor_of_a_program_under_the_library(self):
        target = self.start()
        target.tell(f"create acme {MIB}")
        self.assertIn(" is in the process", self.tenure("doctor", target.pid).stdout)
        target.tell("take acme 65536 100")
        text = self.tenure("doctor", target.pid).stdout
        self.assertRegex(text, r"limit +/acme uses \S+ of its max 1M")
        self.assertRegex(text, r"/acme: 1 requests were refused")

    def test_many_tenants(self):
        target = self.start()
        target.tell("many 20000")
        self.assertEqual(len(self.good("ls", target.pid).splitlines()), 20002)
        self.assertEqual(len(self.good("set", target.pid, "/n1234*", "max=1M").splitlines()), 11)

    @unittest.skipUnless(shutil.which("redis-server") and shutil.which("redis-benchmark"), "redis is not installed")
    def test_redis_under_load(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        server = subprocess.Popen([self.tool, "run", "--lib", self.library, *self.mode, "--", "redis-server", "--port", port, "--save", "",
                                   "--bind", "127.0.0.1"], env=self.environment(), cwd=self.scratch,
                                  stdout=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        load = subprocess.Popen(["sh", "-c", f"until redis-cli -p {port} ping; do sleep 0.1; done;"
                                 f"redis-benchmark -p {port} -q -n 20000 -r 20000 -d 200 -P 16 -t set"],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=holders.CLEAN)
        while load.poll() is None:
            text = self.tenure("ps").stdout
            self.assertRegex(self.tenure("export", server.pid).stdout + "# EOF", "# EOF")
        self.assertEqual(load.returncode, 0)
        self.assertTrue(re.search(rf"(?m)^ *{server.pid}  redis-server  .* running ", text), text)
        self.assertIn("redis-server", self.good("top", server.pid, "--once", "--interval", "50ms"))


if __name__ == "__main__":
    ToolCase.tool, Real.library = os.path.abspath(sys.argv[1]), os.path.realpath(sys.argv[2])
    Real.mode = [] if sys.argv[3] == "rseq" else [f"--{sys.argv[3]}"]
    unittest.main(argv=sys.argv[:1] + sys.argv[4:])
