"""The workload's side: runs the program under test, records its results and what it cost.

A workload script is called as `SCRIPT NAME SCRATCH` and prints one line, the digest of its results;
`SCRIPT list` prints the names it knows. Exit codes: 0 done, 77 skipped, 1 failed. It reads from
the environment
  APPS_PRELOAD  the allocator to preload, empty for none
  APPS_OPTIONS  a JSON object of further variables for the program under test
  APPS_INPUTS   a folder of generated inputs that several runs share
and leaves in SCRATCH `stderr` (all the program wrote there) and `metrics.json`. Only the program
under test sees the allocator; clients and tools of the harness never do.
"""

import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from processes import (become_subreaper, cpu_seconds, descendants, end_descendants,
                       peak_rss_kib)

PROGRAMS = Path(__file__).resolve().parent / "programs"
SYSTEM_PATH = "/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
# Distribution's programs first: a shim in $PATH would be measured instead of the program.
SEARCH_PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin:" + os.environ.get("PATH", "")
SKIPPED = 77


class Failure(Exception):
    pass


class Skip(Exception):
    pass


def program(*names):
    """The path of the first of `names` that is installed; skips the workload otherwise."""
    for name in names:
        found = shutil.which(name, path=SEARCH_PATH)
        if found:
            return found
    raise Skip(f"{' or '.join(names)} is not installed")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, what, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Failure(f"timed out: {what}")
        time.sleep(0.01)


def listens(port):
    def condition():
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", port)) == 0

    return condition


class Watch(threading.Thread):
    """Reads the resident private memory of a process again and again."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.status = f"/proc/{pid}/status"
        self.peak_kib = 0
        self.ended = threading.Event()

    def run(self):
        while not self.ended.wait(0.003):
            try:
                text = Path(self.status).read_text(encoding="utf-8", errors="replace")
                self.peak_kib = max(self.peak_kib, int(text.split("RssAnon:")[1].split()[0]))
            except (OSError, IndexError):
                pass  # It has ended.

    def end(self):
        self.ended.set()
        self.join()


class Workload:
    def __init__(self, scratch):
        self.scratch = Path(scratch).resolve()
        self.home = self.scratch / "home"
        self.home.mkdir(parents=True, exist_ok=True)
        self.preload = os.environ.get("APPS_PRELOAD", "")
        self.options = json.loads(os.environ.get("APPS_OPTIONS", "{}"))
        self.inputs = Path(os.environ.get("APPS_INPUTS", self.scratch / "inputs"))
        self.seconds = 0.0
        self.cpu_seconds = 0.0
        self.peak_kib = 0
        self._digest = hashlib.sha256()
        self._stderr = open(self.scratch / "stderr", "ab", buffering=0)
        self._outputs = 0
        self._notes = []

    # Inputs and results.

    def input(self, name, make):
        """A generated input, made by `make(path)` at the first use and then shared."""
        path = self.inputs / name
        if not path.exists():
            self.inputs.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f"{name}.{os.getpid()}")
            make(draft)
            draft.rename(path)
        return path

    def record(self, *parts):
        """Adds to the results that must not depend on the allocator."""
        for part in parts:
            data = part if isinstance(part, bytes) else str(part).encode()
            self._digest.update(len(data).to_bytes(8, "little") + data)

    def record_file(self, path):
        self.record(Path(path).read_bytes())

    def note(self, line):
        """A line that is shown with the results."""
        self._notes.append(line)

    def digest(self):
        return self._digest.hexdigest()

    # Processes.

    def plain_env(self, extra=None):
        env = {"PATH": SYSTEM_PATH, "HOME": str(self.home), "TMPDIR": str(self.scratch),
               "LC_ALL": "C.UTF-8", "TZ": "UTC", "PYTHONDONTWRITEBYTECODE": "1"}
        env.update(extra or {})
        return env

    def tested_env(self, extra=None):
        env = self.plain_env(extra)
        if self.preload:
            env["LD_PRELOAD"] = self.preload
        env.update(self.options)
        return env

    def tool(self, command, **options):
        """Runs a helper of the harness, without the allocator and unmeasured."""
        done = subprocess.run([str(c) for c in command], env=self.plain_env(), check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
        if done.returncode:
            raise Failure(f"{Path(command[0]).name}: exit {done.returncode}: "
                          f"{done.stderr.decode(errors='replace').strip()[-300:]}")
        return done.stdout

    def succeeds(self, command):
        """Whether a helper of the harness ends with exit code 0."""
        return subprocess.run([str(c) for c in command], env=self.plain_env(), check=False,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0

    def _start(self, command, stdin, stdout, cwd, env, user):
        identity = {"user": user, "group": user, "extra_groups": []} if user else {}
        return subprocess.Popen([str(c) for c in command], stdin=stdin, stdout=stdout,
                                stderr=self._stderr, cwd=cwd or self.scratch,
                                env=self.tested_env(env), **identity)

    def run(self, command, *, stdin=None, cwd=None, env=None, codes=(0,), user=None):
        """Runs the program under test to its end; returns what it printed."""
        self._outputs += 1
        output = self.scratch / f"stdout.{self._outputs}"
        if isinstance(stdin, bytes):
            source = self.scratch / f"stdin.{self._outputs}"
            source.write_bytes(stdin)
        else:
            source = stdin or Path(os.devnull)
        with open(source, "rb") as reader, open(output, "wb") as writer:
            begin = time.perf_counter()
            process = self._start(command, reader, writer, cwd, env, user)
            _, status, usage = os.wait4(process.pid, 0)
            self.seconds += time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        self.cpu_seconds += usage.ru_utime + usage.ru_stime
        # ru_maxrss covers waited-for children, and never reads below this harness (some 12 MiB),
        # because exec keeps the peak of the image it replaces.
        self.peak_kib = max(self.peak_kib, usage.ru_maxrss)
        if process.returncode not in codes:
            raise Failure(f"{self._describe(command)}: {self._ending(process.returncode)}")
        data = output.read_bytes()
        output.unlink()
        return data

    def run_watched(self, command, *, codes=(0,), env=None):
        """Runs the program under test to its end; returns the most private memory it had, in KiB."""
        process = self._start(command, subprocess.DEVNULL, subprocess.DEVNULL, None, env, None)
        with self.watch(process.pid) as watch:
            process.wait()
        if process.returncode not in codes:
            raise Failure(f"{self._describe(command)}: {self._ending(process.returncode)}")
        return watch.peak_kib

    @contextmanager
    def watch(self, pid):
        """Watches a process from outside; yields what has the peak of its RssAnon in the end."""
        watch = Watch(pid)
        watch.start()
        try:
            yield watch
        finally:
            watch.end()

    def run_recorded(self, command, **options):
        data = self.run(command, **options)
        self.record(data)
        return data

    @contextmanager
    def server(self, command, ready, *, user=None, cwd=None, env=None, stop=signal.SIGTERM,
               codes=(0,), exit_seconds=60):
        """Starts the server under test, yields once ready() holds, stops it and checks its end."""
        with open(self.scratch / "server.out", "ab") as log:
            process = self._start(command, subprocess.DEVNULL, log, cwd, env, user)
        name = self._describe(command)

        def up():
            if process.poll() is not None:
                raise Failure(f"{name}: {self._ending(process.returncode)} at start")
            return ready()

        try:
            wait_until(up, f"start of {name}", 60)
            self._check_loaded(process.pid, name)
            yield process
            if process.poll() is not None:
                raise Failure(f"{name}: {self._ending(process.returncode)} while it served")
            family = [process.pid] + descendants(process.pid)
            self.cpu_seconds += sum(cpu_seconds(pid) for pid in family)
            self.peak_kib = max([self.peak_kib] + [peak_rss_kib(pid) for pid in family])
            process.send_signal(stop)
            try:
                process.wait(exit_seconds)
            except subprocess.TimeoutExpired as late:
                raise Failure(f"{name}: does not stop") from late
            if process.returncode not in codes:
                raise Failure(f"{name}: {self._ending(process.returncode)} at stop")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    @contextmanager
    def timed(self):
        """Counts the time inside: the load on a server, seen from its client."""
        begin = time.perf_counter()
        yield
        self.seconds += time.perf_counter() - begin

    def _check_loaded(self, pid, name):
        loaded = Path(f"/proc/{pid}/maps").read_text()
        if self.preload and os.path.realpath(self.preload) not in loaded:
            raise Failure(f"{name}: {self.preload} is not loaded")

    @staticmethod
    def _describe(command):
        return " ".join([Path(command[0]).name] + [str(c) for c in command[1:3]])[:80]

    @staticmethod
    def _ending(code):
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit {code}"

    def write_metrics(self):
        metrics = {"notes": self._notes, "seconds": self.seconds, "cpu_seconds": self.cpu_seconds,
                   "peak_kib": self.peak_kib}
        (self.scratch / "metrics.json").write_text(json.dumps(metrics))


def main(workloads):
    """`workloads` maps names to functions of one Workload."""
    if sys.argv[1:] == ["list"]:
        print("\n".join(workloads))
        return
    if len(sys.argv) != 3 or sys.argv[1] not in workloads:
        sys.exit(f"usage: {sys.argv[0]} list | {{{'|'.join(workloads)}}} SCRATCH")
    become_subreaper()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    try:
        work = Workload(sys.argv[2])
        workloads[sys.argv[1]](work)
        work.write_metrics()
        print(work.digest())
    except Skip as reason:
        print(f"skipped: {reason}", file=sys.stderr)
        sys.exit(SKIPPED)
    except (Failure, OSError) as reason:
        print(f"failed: {reason}", file=sys.stderr)
        sys.exit(1)
    finally:
        end_descendants()
