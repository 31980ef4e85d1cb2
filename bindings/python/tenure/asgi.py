"""ASGI: a tenant for each request, chosen by a function of the request."""
from tenure._tasks import inside, install


class Middleware:
    """Runs the application inside tenant_of(scope), a Tenant or None (the server's own).

    Tasks that the application makes keep the tenant: the event loop gets a task factory for that. A request over HTTP that
    runs out of memory before its answer has begun is answered by `full`, a status; `full=None` passes MemoryError to the
    server."""

    def __init__(self, application, tenant_of, full=503):
        self.application = application
        self.tenant_of = tenant_of
        self.full = full

    async def __call__(self, scope, receive, send):
        install()
        tenant = self.tenant_of(scope) if scope["type"] in ("http", "websocket") else None
        if tenant is None:
            await self.application(scope, receive, send)
            return
        begun = []

        async def watched(message):
            begun.append(True)
            await send(message)
        try:
            await inside(tenant, self.application(scope, receive, watched))
            return
        except MemoryError:
            if begun or self.full is None or scope["type"] != "http":
                raise
        # Outside of the tenant, which is full.
        await send({"type": "http.response.start", "status": self.full, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"out of memory\n"})
