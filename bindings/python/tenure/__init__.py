"""Tenants for Python: owners of memory inside a process, with limits.

    import tenure

    acme = tenure.Tenant("acme", max=64 << 20)
    with acme:
        serve()               # memory of this block belongs to acme, and MemoryError is acme's alone

The process's malloc must be Tenure's, and Python must use malloc for its objects; `python3 -m tenure script.py` starts it so.
Where that is not so, Tenant() raises NotActive. The README of this package says what is charged and what is not.
"""
from tenure._tasks import bind, carry, inside, install, run, task_factory, to_thread
from tenure._tenants import (Event, NotActive, Policy, Stats, Tenant, TenureError, active, checkpoint, counts_objects,
                             current, find, mode, reap, root, version)

__all__ = ["Event", "NotActive", "Policy", "Stats", "Tenant", "TenureError", "active", "bind", "carry", "checkpoint",
           "counts_objects", "current", "find", "inside", "install", "mode", "reap", "root", "run", "task_factory",
           "to_thread", "version"]
