"""Where PostgreSQL is, and who runs it."""

import os
import pwd
from pathlib import Path

from workload import Skip


def postgres_tools():
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"),
                     key=lambda path: float(path.parts[-3]))
    if not folders:
        raise Skip("postgresql is not installed")
    return folders[-1].parent


def unprivileged_user():
    """The server refuses to be root: run it as its package's user, or as nobody."""
    if os.geteuid():
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    raise Skip("no user but root to run it as")
