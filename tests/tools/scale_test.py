#!/usr/bin/env python3
"""scale_test.py <tenure> <libtenure.so> [PROCESSES [TENANTS [CHURN]]]: many processes, many tenants, tenants that come and go, namespaces.

Counts have to be right; times are printed and not judged. Without numbers: 60 processes, 5,000 tenants, 20,000 that come and go."""
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import unittest

from holders import ToolCase

PROCESSES, TENANTS, CHURN = 60, 5000, 20000
# Obeys lines: "many N" makes tenants, "churn N" makes each and has it go.
PROGRAM = r"""
import ctypes, sys
lib = ctypes.CDLL(None)
def create(name):
    handle = ctypes.c_void_p()
    assert lib.tenure_tenant_create(None, name, 0, ctypes.byref(handle)) == 0
    return handle
kept = []
for line in sys.stdin:
    verb, count = line.split()
    for number in range(int(count)):
        handle = create(b"n%d" % number)
        if verb == "many":
            kept.append(handle)
        else:
            assert lib.tenure_tenant_offline(handle, 0) == 0
            lib.tenure_tenant_close(handle)
    print("done", flush=True)
"""


def blocks(path):
    return os.stat(path).st_blocks * 512


class Scale(ToolCase):
    library = None

    def preloaded(self):
        return {**self.environment(), "LD_PRELOAD": self.library}

    def start(self):
        program = subprocess.Popen([sys.executable, "-c", PROGRAM], env=self.preloaded(), text=True, bufsize=1,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(self.end, program)
        return program

    def end(self, program):
        program.kill()
        program.wait()
        program.stdin.close()
        program.stdout.close()

    def tell(self, program, line):
        program.stdin.write(line + "\n")
        self.assertEqual(program.stdout.readline(), "done\n")

    def timed(self, *arguments):
        start = time.monotonic()
        text = self.good(*arguments)
        print(f"  {arguments[0]}: {1000 * (time.monotonic() - start):.0f} ms", file=sys.stderr)
        return text

    def test_many_processes(self):
        sleepers = [subprocess.Popen(["/bin/sleep", "600"], env=self.preloaded()) for _ in range(PROCESSES)]
        try:
            pids = {sleeper.pid for sleeper in sleepers}
            while {int(name) for name in os.listdir(self.folder) if not name.startswith(".")} != pids:
                time.sleep(0.01)
            found = [entry for entry in json.loads(self.timed("ps", "--json")) if entry["name"] == "sleep"]
            self.assertEqual({entry["pid"] for entry in found}, pids)
            self.assertEqual(len(self.timed("top", "--once", "--interval", "100ms").splitlines()) > PROCESSES, True)
            page = self.timed("export")
            self.assertEqual(page.count("tenure_process_tenants{"), PROCESSES)
            killed = sleepers[::2]
            for sleeper in killed:
                sleeper.send_signal(signal.SIGKILL)
            for sleeper in killed:
                sleeper.wait()
            # The first look tells of those that have gone, the next ones do not.
            self.assertEqual(self.good("ps").count(" ended"), len(killed))
            found = {entry["pid"] for entry in json.loads(self.good("ps", "--json"))}
            self.assertEqual(found, pids - {sleeper.pid for sleeper in killed})
            self.assertEqual(len(os.listdir(self.folder)), PROCESSES - len(killed))
        finally:
            for sleeper in sleepers:
                sleeper.kill()
                sleeper.wait()

    def test_many_tenants(self):
        program = self.start()
        self.tell(program, f"many {TENANTS}")
        self.assertEqual(len(self.timed("ls", program.pid).splitlines()), TENANTS + 2)
        self.timed("top", program.pid, "--once", "--interval", "100ms")
        self.assertEqual(len(json.loads(self.timed("stat", program.pid, "--json"))["tenants"]), TENANTS + 1)

    def test_tenants_come_and_go(self):
        """The region does not grow with all the tenants that there ever were."""
        program = self.start()
        path = os.path.join(self.folder, str(program.pid))
        self.tell(program, "churn 5000")
        before = blocks(path)
        self.tell(program, f"churn {CHURN}")
        print(f"  region: {before} bytes after 5000 tenants, {blocks(path)} after {CHURN} more", file=sys.stderr)
        self.assertLessEqual(blocks(path), 2 * before)
        self.assertEqual(len(json.loads(self.good("stat", program.pid, "--json"))["tenants"]), 1)

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("unshare"), "needs root and unshare")
    def test_a_process_in_namespaces_of_its_own(self):
        """PID, mount namespace and a folder that nobody sees from here."""
        os.mkdir(self.folder, 0o700)
        inside = (f"mount -t tmpfs -o mode=0700 none {self.folder} && "
                  f"LD_PRELOAD={self.library} exec /bin/sleep 600")
        container = subprocess.Popen(["unshare", "-mp", "--fork", "--kill-child", "--mount-proc", "sh", "-c", inside],
                                     env=self.environment(), stderr=subprocess.PIPE, text=True)
        try:
            found = []
            deadline = time.monotonic() + 60
            while not found and container.poll() is None and time.monotonic() < deadline:
                found = [entry for entry in json.loads(self.tenure("ps", "--json").stdout) if entry["name"] == "sleep"]
            if container.poll() is not None:
                self.skipTest("no namespaces here: " + container.stderr.read())
            self.assertEqual(len(found), 1)
            pid = found[0]["pid"]
            self.assertNotEqual(pid, 1)
            self.assertEqual(os.listdir(self.folder), [])
            self.assertEqual(json.loads(self.good("stat", pid, "/", "--json"))["path"], "/")
        finally:
            container.kill()
            container.wait()
            container.stderr.close()


if __name__ == "__main__":
    ToolCase.tool, Scale.library = sys.argv[1:3]
    numbers = [int(word) for word in sys.argv[3:6]]
    PROCESSES, TENANTS, CHURN = (numbers + [PROCESSES, TENANTS, CHURN][len(numbers):])
    unittest.main(argv=sys.argv[:1])
