"""Tenants and scopes."""
import asyncio
import contextvars
import enum
import errno
import itertools
import os
import sys
from typing import NamedTuple

from tenure import _tenure

UNLIMITED = 2 * sys.maxsize + 1
DURABLE, ISOLATED, RECURSIVE = 1, 2, 1


class TenureError(OSError):
    """A function of the library refused; `errno` says why."""


class NotActive(TenureError):
    """Nothing would be limited here: the process's malloc is not Tenure's, or Python does not use it."""


class Policy(enum.IntEnum):
    """What happens to a request that does not fit below `max`."""
    FAIL_LARGE = 0
    FAIL_ALL = 1
    OBSERVE = 2
    EVENT = 3
    ABORT = 4


class Event(enum.IntEnum):
    """Indexes of Stats.events."""
    LOW = 0
    HIGH = 1
    MAX = 2
    OVERDRAW = 3
    ABORT = 4


class Stats(NamedTuple):
    """What a tenant has; bytes, but for the counts. `usage`, `peak` and `failures` include all tenants below."""
    usage: int
    peak: int
    allocated: int
    cached: int
    meta: int
    failures: int
    events: tuple
    children: int
    stalled_us: int
    pressure10: int
    pressure60: int


def active():
    """Whether the process's malloc is Tenure's. If not, no tenant can be made and nothing is limited."""
    return _tenure.active()


def counts_objects():
    """Whether Python takes its small objects from malloc, so that tenants are charged for them.

    Python's own allocator takes memory from the system in pieces of 256 KiB or 1 MiB, past malloc; PYTHONMALLOC=malloc
    replaces it. With that allocator in use some of its blocks always are."""
    return sys.getallocatedblocks() == 0


def mode():
    """"rseq", "fallback", or "" without the library."""
    return _tenure.mode()


def version():
    """The library's version, or "" without it."""
    return _tenure.version()


def _require(objects):
    if not _tenure.active():
        how = ("the library is not loaded" if not _tenure.available() else
               "the library is loaded, but it is not the process's malloc")
        raise NotActive(errno.ENOTSUP, f"{how}: start the program by `python3 -m tenure program.py`, or by "
                        "`tenure run -- python3 program.py` with PYTHONMALLOC=malloc in the environment")
    if objects and not counts_objects():
        raise NotActive(errno.ENOTSUP, "Python does not take its objects from malloc, so they would not be limited: start "
                        "the program by `python3 -m tenure program.py`, or with PYTHONMALLOC=malloc in the environment. "
                        "Tenant(..., objects=False) limits what C libraries and objects above 512 bytes take, and no more")


def _check(result, what):
    if result < 0:
        raise TenureError(-result, f"{what}: {os.strerror(-result)}")
    return result


# The tenants that the running code is inside of, outermost first: (handle, key, handle, key, ...), and the objects, which keep the
# handles open. A context is one task's or one thread's.
class _Chain(NamedTuple):
    flat: tuple
    tenants: tuple


_NOWHERE = _Chain((), ())
_chain = contextvars.ContextVar("tenure", default=_NOWHERE)
_keys = itertools.count(1)


def _must_keep_its_tenant():
    """Refuses where a task would stay inside the tenant while it waits."""
    if not _tenure.stepping() and asyncio._get_running_loop() is not None and asyncio.current_task() is not None:
        raise RuntimeError("a task would stay inside the tenant while it waits: start the event loop by tenure.run(), call "
                           "tenure.install() in it before the task is made, or use `await tenure.inside(tenant, ...)`")


class Tenant(_tenure.Scoped):
    """A handle on a tenant. `with tenant:` goes inside; `async with` does, too.

    The tenant lives until offline(), whatever becomes of the handles on it. Memory that it still has then is charged to its
    parent."""
    __slots__ = ("_handle", "__weakref__")

    def __init__(self, name, parent=None, *, max=None, high=None, low=None, min=None, reserve=None, policy=None,
                 durable=False, isolated=False, objects=True):
        self._handle = 0
        _require(objects)
        above = _tenure.root() if parent is None else parent._handle
        flags = (DURABLE if durable else 0) | (ISOLATED if isolated else 0)
        result, handle = _tenure.create(above, name, flags)
        _check(result, f"tenant {name!r}")
        self._handle = handle
        try:
            for which, value in enumerate((min, low, high, max, reserve)):
                if value is not None:
                    self._set_limit(which, value)
            if policy is not None:
                self.policy = policy
        except BaseException:
            # Without its limits it must not serve anybody.
            self.offline()
            raise

    @classmethod
    def _adopt(cls, handle):
        if not handle:
            return None
        self = object.__new__(cls)
        self._handle = handle
        return self

    def __del__(self):
        if getattr(self, "_handle", 0):
            _tenure.close(self._handle)

    def __eq__(self, other):
        return isinstance(other, Tenant) and self._handle == other._handle

    def __hash__(self):
        return hash(self._handle)

    def __repr__(self):
        return f"<tenure.Tenant {self.path}{'' if self.online else ' (offline)'}>"

    # __enter__ and __exit__ are Scoped's, which calls these two. Several threads and tasks may be inside through one object, so the
    # chain of each context has the keys of its scopes.
    def _entering(self):
        _must_keep_its_tenant()
        key = next(_keys)
        before = _chain.get()
        _chain.set(_Chain(before.flat + (self._handle, key), before.tenants + (self,)))
        return self._handle, key

    def _leaving(self):
        chain = _chain.get()
        for at in reversed(range(len(chain.tenants))):
            if chain.tenants[at] is self:
                key = chain.flat[2 * at + 1]
                _chain.set(_Chain(chain.flat[:2 * at] + chain.flat[2 * at + 2:],
                                  chain.tenants[:at] + chain.tenants[at + 1:]))
                return key
        raise RuntimeError("left in another context than it was entered in")

    async def __aenter__(self):
        return self.__enter__()

    async def __aexit__(self, *exception):
        self.__exit__(*exception)

    def offline(self, recursive=False):
        """Ends the tenant; what is left of its memory is its parent's to pay. `recursive`: tenants below it go first."""
        _check(_tenure.offline(self._handle, RECURSIVE if recursive else 0), f"offline {self.path}")

    @property
    def online(self):
        return _tenure.online(self._handle)

    @property
    def id(self):
        return _tenure.number(self._handle)

    @property
    def path(self):
        return _tenure.path(self._handle)

    @property
    def name(self):
        return self.path.rpartition("/")[2]

    @property
    def parent(self):
        return Tenant._adopt(_tenure.parent(self._handle))

    def stats(self):
        """Stats of the tenant."""
        values = _tenure.stats(self._handle)
        return Stats(*values) if isinstance(values, tuple) else _check(values, "stats")

    @property
    def usage(self):
        return self.stats().usage

    def reset_peak(self):
        _tenure.reset_peak(self._handle)

    def reclaim(self, bytes):
        """Gives back about that many bytes of what the tenant keeps for later use. Returns how many went."""
        return _tenure.reclaim(self._handle, bytes)

    def _set_limit(self, which, value):
        _check(_tenure.set_limit(self._handle, which, UNLIMITED if value is None else value), f"limit of {self.path}")

    def _limit(self, which):
        value = _tenure.limit(self._handle, which)
        return None if value == UNLIMITED else value

    # In bytes; None: unlimited.
    min = property(lambda self: self._limit(0), lambda self, value: self._set_limit(0, value))
    low = property(lambda self: self._limit(1), lambda self, value: self._set_limit(1, value))
    high = property(lambda self: self._limit(2), lambda self, value: self._set_limit(2, value))
    max = property(lambda self: self._limit(3), lambda self, value: self._set_limit(3, value))
    reserve = property(lambda self: self._limit(4), lambda self, value: self._set_limit(4, value))

    @property
    def policy(self):
        return Policy(_tenure.policy(self._handle))

    @policy.setter
    def policy(self, value):
        _check(_tenure.set_policy(self._handle, int(value)), f"policy of {self.path}")


def root():
    """The root, or None without the library."""
    return Tenant._adopt(_tenure.root())


def current():
    """The tenant this thread is inside of, or None without the library."""
    return Tenant._adopt(_tenure.current())


def find(path):
    """The online tenant at an absolute path, or None."""
    return Tenant._adopt(_tenure.find(path))


def checkpoint():
    """For places where a service may wait, such as between requests: reclaims where the tenant is above `high`."""
    return _tenure.checkpoint()


def reap():
    """Cleans up after tenants that have gone. Returns how many of them still have memory."""
    return _tenure.reap()
