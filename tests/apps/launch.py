"""The runner's side: finds the workloads, runs one under an allocator, judges how it went."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from processes import become_subreaper, end_descendants
from workload import SKIPPED

WORKLOADS = Path(__file__).resolve().parent / "workloads"
LIBRARY_DIRS = ("/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64",
                "/usr/lib", "/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/usr/local/lib")
# The allocator's own complaints, the loader's refusal to load it, and servers that restart after
# the crash of a child as if nothing had happened.
ALARMS = re.compile(rb"^(?:tenure:|ERROR: ld\.so:).*"
                    rb"|^.*(?:terminated by signal|exited on signal|crashed by signal"
                    rb"|Segmentation fault|\d+ Aborted|core dumped).*", re.MULTILINE)


@dataclass
class Outcome:
    status: str                 # "passed", "failed" or "skipped"
    reason: str = ""
    digest: str = ""
    elapsed: float = 0.0        # of the whole workload, with its set-up
    metrics: dict = field(default_factory=dict)


def discover():
    """All workloads, in order of name: {name: script}."""
    found = {}
    for script in sorted(WORKLOADS.iterdir()):
        if script.is_file() and os.access(script, os.X_OK):
            names = subprocess.run([sys.executable, script, "list"], check=True,
                                   stdout=subprocess.PIPE, text=True).stdout.split()
            found.update((name, script) for name in names)
    return found


def find_library(name):
    """A shared library's path, from the loader's cache or the usual folders; None if absent."""
    ldconfig = shutil.which("ldconfig", path="/sbin:/usr/sbin:/usr/bin:/bin")
    if ldconfig:
        cache = subprocess.run([ldconfig, "-p"], stdout=subprocess.PIPE, text=True).stdout
        for line in cache.splitlines():
            if line.split(" ")[0].strip() == name and " => " in line:
                return line.rpartition(" => ")[2].strip()
    for folder in LIBRARY_DIRS:
        if Path(folder, name).exists():
            return str(Path(folder, name))
    return None


class ScratchArea:
    """A scratch area that is removed at the end with all that still runs in it."""

    def __enter__(self):
        become_subreaper()
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: sys.exit(1))
        self.root = Path(tempfile.mkdtemp(prefix="tenure-apps-"))
        # Servers that refuse to be root run as another user and must reach their files.
        self.root.chmod(0o755)
        return self

    def __exit__(self, *_):
        end_descendants()
        shutil.rmtree(self.root, ignore_errors=True)

    def stage(self, library):
        """A copy every user can read, wherever the build tree lies."""
        copy = self.root / "lib" / Path(library).name
        copy.parent.mkdir(exist_ok=True)
        shutil.copyfile(library, copy)
        copy.chmod(0o755)
        # For workloads under rules: what lies beside the library.
        for companion in ("libtenure_rules.so", "../bin/tenure"):
            file = Path(library).resolve().parent / companion
            if file.is_file():
                shutil.copy(file, copy.parent / file.name)
                (copy.parent / file.name).chmod(0o755)
        return str(copy)

    def execute(self, name, script, preload="", options=None, timeout=180):
        scratch = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.root))
        scratch.chmod(0o755)
        env = dict(os.environ, APPS_PRELOAD=preload or "", APPS_OPTIONS=json.dumps(options or {}),
                   APPS_INPUTS=str(self.root / "inputs"), PYTHONDONTWRITEBYTECODE="1")
        env.pop("LD_PRELOAD", None)
        begin = time.monotonic()
        process = subprocess.Popen([sys.executable, script, name, scratch], env=env, text=True,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, errors="replace")
        try:
            output, complaint = process.communicate(timeout=timeout)
            outcome = self._judge(process.returncode, output, complaint, scratch)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            outcome = Outcome("failed", f"no end after {timeout} s")
        finally:
            end_descendants()
        outcome.elapsed = time.monotonic() - begin
        shutil.rmtree(scratch, ignore_errors=True)
        return outcome

    @staticmethod
    def _judge(code, output, complaint, scratch):
        reason = complaint.strip().splitlines()[-1] if complaint.strip() else ""
        if code == SKIPPED:
            return Outcome("skipped", reason.removeprefix("skipped: "))
        log = b"".join((scratch / n).read_bytes() for n in ("stderr", "server.out")
                       if (scratch / n).exists())
        alarm = ALARMS.search(log)
        if code or alarm:
            said = alarm.group() if alarm else b" | ".join(log.strip().splitlines()[-3:])
            reason = reason.removeprefix("failed: ") or f"exit {code}"
            return Outcome("failed", f"{reason}; {said.decode(errors='replace')[:300]}")
        metrics = json.loads((scratch / "metrics.json").read_text())
        return Outcome("passed", digest=output.strip(), metrics=metrics)
