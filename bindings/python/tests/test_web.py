"""Middlewares for WSGI and ASGI."""
import asyncio
import unittest

import tenure.asgi
import tenure.wsgi
from support import MIB, TenantTest, here


class Wsgi(TenantTest):
    def serve(self, application, tenant, **settings):
        said = []
        middleware = tenure.wsgi.Middleware(application, lambda environ: environ["tenant"], **settings)
        answer = middleware({"tenant": tenant}, lambda status, headers: said.append(status))
        body = b"".join(answer)
        if hasattr(answer, "close"):
            answer.close()
        return said, body

    def test_the_call_the_pieces_and_the_end_are_inside(self):
        seen = []

        def application(environ, start_response):
            start_response("200 OK", [])
            seen.append(here())

            def pieces():
                try:
                    for _ in range(2):
                        yield here().encode()
                finally:
                    seen.append(here())
            return pieces()
        self.assertEqual(self.serve(application, self.tenant("wsgi")), (["200 OK"], b"/wsgi/wsgi"))
        self.assertEqual(seen, ["/wsgi", "/wsgi"])
        self.assertEqual(self.serve(application, None), (["200 OK"], b"//"))

    def test_between_the_pieces_the_thread_is_outside(self):
        tenant = self.tenant("wsgi")

        def application(environ, start_response):
            return iter([b"1", b"2"])
        answer = tenure.wsgi.Middleware(application, lambda environ: tenant)({}, None)
        next(answer)
        self.assertEqual(here(), "/")
        answer.close()

    def test_a_full_tenant_is_answered(self):
        def application(environ, start_response):
            bytearray(16 * MIB)
        tenant = self.tenant(max=MIB)
        self.assertEqual(self.serve(application, tenant), (["503 Service Unavailable"], b"out of memory\n"))
        with self.assertRaises(MemoryError):
            self.serve(application, tenant, full=None)

    def test_an_answer_that_has_begun_is_not_answered_again(self):
        def application(environ, start_response):
            start_response("200 OK", [])
            bytearray(16 * MIB)
        with self.assertRaises(MemoryError):
            self.serve(application, self.tenant(max=MIB))


class Asgi(TenantTest):
    def serve(self, application, tenant, kind="http", **settings):
        sent = []

        async def send(message):
            await asyncio.sleep(0)
            sent.append(message)

        async def main():
            middleware = tenure.asgi.Middleware(application, lambda scope: tenant, **settings)
            await middleware({"type": kind}, None, send)
            self.assertEqual(here(), "/")
        asyncio.run(main())
        return sent

    def test_the_application_and_its_tasks_are_inside(self):
        seen = []

        async def child():
            await asyncio.sleep(0)
            seen.append(here())

        async def application(scope, receive, send):
            await asyncio.gather(child(), child())
            await send({"type": "http.response.start", "status": 200})
            seen.append(here())
        self.assertEqual(len(self.serve(application, self.tenant("asgi"))), 1)
        self.assertEqual(seen, ["/asgi"] * 3)
        self.serve(application, None)
        self.assertEqual(seen[3:], ["/"] * 3)

    def test_a_full_tenant_is_answered(self):
        async def application(scope, receive, send):
            await asyncio.sleep(0)
            bytearray(16 * MIB)
        tenant = self.tenant(max=MIB)
        sent = self.serve(application, tenant)
        self.assertEqual([message.get("status") for message in sent], [503, None])
        with self.assertRaises(MemoryError):
            self.serve(application, tenant, full=None)
        with self.assertRaises(MemoryError):
            self.serve(application, tenant, kind="websocket")

    def test_the_lifespan_is_the_servers(self):
        seen = []

        async def application(scope, receive, send):
            seen.append(here())
        self.serve(application, self.tenant(), kind="lifespan")
        self.assertEqual(seen, ["/"])


if __name__ == "__main__":
    unittest.main()
