"""Tenants of asyncio's tasks, and of functions that run later or on other threads.

A task is inside its tenants while it runs, and outside while it waits: Steps enters them before each step of the coroutine and
leaves them after it. Which they are is written in the task's context (contextvars), so that tasks which a task makes, and
functions that bind() keeps, inherit them.
"""
import asyncio
import collections.abc
import contextvars
import functools

from tenure import _tenure
from tenure._tenants import _chain


class Steps(collections.abc.Coroutine):
    """A coroutine that is inside the tenants of its context whenever it runs."""
    __slots__ = ("_coroutine", "__weakref__")

    def __init__(self, coroutine):
        self._coroutine = coroutine

    def send(self, value):
        return _tenure.step(_chain.get().flat, self._coroutine.send, (value,), None)

    def throw(self, *exception):
        return _tenure.step(_chain.get().flat, self._coroutine.throw, exception, None)

    def close(self):
        return _tenure.step(_chain.get().flat, self._coroutine.close, (), None)

    def __await__(self):
        return _Iterator(self)

    # cr_frame, cr_await, __qualname__: for debuggers and the names of tasks.
    def __getattr__(self, name):
        return getattr(self._coroutine, name)

    def __repr__(self):
        return f"<tenure.Steps of {self._coroutine!r}>"


class _Iterator(collections.abc.Generator):
    """What `await` drives."""
    __slots__ = ("_steps",)

    def __init__(self, steps):
        self._steps = steps

    def send(self, value):
        return self._steps.send(value)

    def throw(self, *exception):
        return self._steps.throw(*exception)

    def close(self):
        return self._steps.close()


def carry(coroutine):
    """The coroutine, inside the tenants of its context at each step. A task made by an event loop with install() has it already."""
    return coroutine if isinstance(coroutine, Steps) else Steps(coroutine)


async def inside(tenant, awaitable):
    """Awaits inside the tenant, in any task of any event loop: `body = await tenure.inside(acme, handle(request))`."""
    async def within():
        with tenant:
            return await awaitable
    try:
        return await carry(within())
    finally:
        if asyncio.iscoroutine(awaitable):
            awaitable.close()  # Where it never began, as the tenant could not be entered.


def task_factory(loop, coroutine, **arguments):
    """For loop.set_task_factory(): tasks whose coroutines are Steps."""
    return asyncio.Task(carry(coroutine), loop=loop, **arguments)


def install(loop=None):
    """From now on the tasks of the event loop (the running one) keep their tenants. A task factory that is there is still used."""
    if loop is None:
        loop = asyncio.get_running_loop()
    before = loop.get_task_factory()
    if before is task_factory or getattr(before, "carries_tenants", False):
        return
    if before is None:
        loop.set_task_factory(task_factory)
        return

    def factory(loop, coroutine, **arguments):
        return before(loop, carry(coroutine), **arguments)
    factory.carries_tenants = True
    loop.set_task_factory(factory)


def run(main, *, debug=None, loop_factory=None):
    """asyncio.run() with tasks that keep their tenants."""
    with asyncio.Runner(debug=debug, loop_factory=loop_factory) as runner:
        install(runner.get_loop())
        return runner.run(carry(main))


def bind(function):
    """The function, to be called later or on any thread, inside the tenants that the caller is inside of now."""
    chain = _chain.get()

    @functools.wraps(function)
    def bound(*arguments, **named):
        token = _chain.set(chain)
        try:
            return _tenure.step(chain.flat, function, arguments, named)
        finally:
            _chain.reset(token)
    return bound


async def to_thread(function, /, *arguments, **named):
    """asyncio.to_thread() with a thread that works inside the caller's tenants."""
    loop = asyncio.get_running_loop()
    context = contextvars.copy_context()
    call = functools.partial(context.run, bind(function), *arguments, **named)
    return await loop.run_in_executor(None, call)
