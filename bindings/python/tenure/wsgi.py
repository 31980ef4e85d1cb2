"""WSGI: a tenant for each request, chosen by a function of the request."""
from tenure._tenants import checkpoint


class Middleware:
    """Calls the application inside tenant_of(environ), a Tenant or None (the server's own).

    The pieces of the answer are made inside the tenant, too. A request that runs out of memory before its answer has begun is
    answered by `full`, a status line; `full=None` passes MemoryError to the server."""

    def __init__(self, application, tenant_of, full="503 Service Unavailable"):
        self.application = application
        self.tenant_of = tenant_of
        self.full = full

    def __call__(self, environ, start_response):
        tenant = self.tenant_of(environ)
        if tenant is None:
            return self.application(environ, start_response)
        begun = []

        def start(*arguments, **named):
            begun.append(True)
            return start_response(*arguments, **named)
        try:
            with tenant:
                answer = self.application(environ, start)
                return _Answer(tenant, answer)
        except MemoryError:
            if begun or self.full is None:
                raise
        # Outside of the tenant, which is full.
        body = b"out of memory\n"
        start_response(self.full, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]


class _Answer:
    """The pieces of an answer."""
    __slots__ = ("_answer", "_pieces", "_tenant")

    def __init__(self, tenant, answer):
        self._tenant, self._answer = tenant, answer
        self._pieces = iter(answer)

    def __iter__(self):
        return self

    def __len__(self):
        return len(self._answer)  # Servers ask: one piece needs no chunks.

    def __next__(self):
        with self._tenant:
            return next(self._pieces)

    def close(self):
        with self._tenant:
            close = getattr(self._answer, "close", None)
            self._answer = self._pieces = None
            try:
                if close is not None:
                    close()
            finally:
                checkpoint()
