"""Processes that hold live regions, and the tool that looks at them."""
import os
import signal
import subprocess
import tempfile
import unittest

CLEAN = {name: value for name, value in os.environ.items()
         if not name.startswith("TENURE_") and name not in ("LD_PRELOAD", "GLIBC_TUNABLES", "XDG_RUNTIME_DIR")}
CLEAN["LC_ALL"] = "C.UTF-8"


class Holder:
    """region_holder: a process with a region of its own."""

    def __init__(self, program, folder, tenants=120):
        self.process = subprocess.Popen([program, folder, str(tenants)], env=CLEAN, text=True, bufsize=1,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.path = self.process.stdout.readline().strip()
        self.pid = self.process.pid

    def tell(self, line):
        """The usage of the first tenant, and its max, afterwards."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return [int(word) for word in self.process.stdout.readline().split()[1:]]

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        if self.process.poll() is None:
            os.kill(self.pid, signal.SIGCONT)
            self.process.stdin.close()
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.kill()
        self.process.stdin.close()
        self.process.stdout.close()


class ToolCase(unittest.TestCase):
    """A folder for regions, and the tool that finds them there."""
    tool = holder_program = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.scratch = folder.name
        self.folder = os.path.join(folder.name, "regions")

    def hold(self, tenants=120):
        holder = Holder(self.holder_program, self.folder, tenants)
        self.addCleanup(holder.close)
        return holder

    def environment(self):
        return {**CLEAN, "TENURE_LIVE": self.folder}

    def tenure(self, *arguments, user=None, **more):
        # A program that took the tool's place would not be ended by SIGTERM alone.
        return subprocess.run([self.tool, *map(str, arguments)], env={**self.environment(), **more}, text=True,
                              check=False, timeout=60, stdout=subprocess.PIPE, stderr=subprocess.PIPE, user=user)

    def good(self, *arguments, **more):
        done = self.tenure(*arguments, **more)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        return done.stdout

    def bad(self, status, text, *arguments, **more):
        """One line that has `text`, this status, and nothing on standard output."""
        done = self.tenure(*arguments, **more)
        self.assertEqual(done.returncode, status, done)
        self.assertEqual(done.stdout, "", done)
        self.assertIn(text, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertTrue(done.stderr.startswith("tenure: "), done.stderr)
        return done
