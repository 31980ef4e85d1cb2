"""Services under rules (tenure run --rules): who used what, beside what the clients have sent.

Without the library the services run as they are, and the clients' results are compared as for all workloads."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from workload import Failure, PROGRAMS, Skip

INCLUDE = Path(__file__).resolve().parent.parent.parent / "include"
MIB = 1 << 20


@dataclass
class Tenant:
    usage: int
    peak: int
    failures: int
    limit: int


class Rules:
    def __init__(self, work, text):
        self.work = work
        self.file = work.scratch / "rules.toml"
        self.file.write_text(text, encoding="utf-8")
        # Of whatever user the server's processes are.
        folder = work.scratch / "tenants"
        folder.mkdir()
        folder.chmod(0o777)
        self.report = folder / "of"
        if work.preload:
            self.tool = Path(work.preload).parent / "tenure"
            if not self.tool.exists():
                raise Skip("the tool is not beside the library")
            self.library = work.scratch / "report.so"
            compiler = shutil.which("cc") or "gcc"
            subprocess.run([compiler, "-shared", "-fPIC", "-O1", f"-I{INCLUDE}", "-o", self.library,
                            PROGRAMS / "tenants_report.c"], check=True)

    def command(self, *line):
        """The program under rules; it leaves a report of its tenants at exit."""
        if not self.work.preload:
            return list(line)
        return [self.tool, "run", "--rules", self.file, "--lib", self.work.preload, "--", "/bin/sh", "-c",
                f'LD_PRELOAD="$LD_PRELOAD:{self.library}" APPS_TENANTS={self.report} exec "$@"', "sh", *line]

    def tenants(self):
        """Of all processes that have ended: {path: Tenant}, the last word on each path."""
        found = {}
        for file in sorted(self.report.parent.glob(self.report.name + ".*"), key=os.path.getmtime):
            for line in file.read_text().splitlines():
                path, usage, peak, failures, limit = line.rsplit(" ", 4)
                found[path] = Tenant(int(usage), int(peak), int(failures), int(limit))
        return found

    def check_limit(self, path):
        """The tenant has met its limit, and never passed it."""
        if not self.work.preload:
            return
        tenant = self.tenants()[path]
        self.work.note(f"{path}: {tenant.peak / MIB:.1f} MiB at most, limit {tenant.limit / MIB:.1f} MiB, "
                       f"{tenant.failures} requests refused")
        if tenant.peak > tenant.limit or tenant.failures == 0:
            raise Failure(f"{path}: peak {tenant.peak}, limit {tenant.limit}, refused {tenant.failures}")

    def compare(self, sent, peak=False):
        """Prints who used what, and fails where that is not what was sent, within 10 % and 1 MiB."""
        if not self.work.preload:
            return
        tenants = self.tenants()
        wrong = []
        for path, expected in sent.items():
            tenant = tenants.get(path)
            used = 0 if tenant is None else tenant.peak if peak else tenant.usage
            line = f"{path}: {used / MIB:.1f} MiB used, {expected / MIB:.1f} MiB sent"
            self.work.note(line)
            if abs(used - expected) > expected / 10 + MIB:
                wrong.append(line)
        if wrong:
            known = ", ".join(f"{path} {tenant.usage}" for path, tenant in tenants.items())
            raise Failure(f"{'; '.join(wrong)} (tenants: {known})")
