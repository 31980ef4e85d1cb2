"""Tasks of asyncio keep their tenants over awaits."""
import asyncio
import contextvars
import unittest

import tenure
from support import MIB, TenantTest, here
from tenure._tasks import Steps


class Tasks(TenantTest):
    def test_each_task_keeps_its_own(self):
        tenants = [self.tenant(f"task{i}") for i in range(4)]
        seen = []

        async def work(tenant):
            with tenant:
                for _ in range(20):
                    await asyncio.sleep(0)
                    seen.append(here() == tenant.path)
            await asyncio.sleep(0)
            seen.append(here() == "/")

        async def main():
            await asyncio.gather(*(work(tenant) for tenant in tenants))
        tenure.run(main())
        self.assertEqual(len(seen), 4 * 21)
        self.assertTrue(all(seen))

    def test_what_is_allocated_after_an_await_is_charged(self):
        first, second = self.tenant(max=64 * MIB), self.tenant(max=8 * MIB)

        async def work(tenant, size, kept):
            async with tenant:
                for _ in range(4):
                    await asyncio.sleep(0)
                    kept.append(bytearray(size))

        async def main():
            kept = []
            results = await asyncio.gather(work(first, 4 * MIB, kept), work(second, 4 * MIB, kept),
                                           return_exceptions=True)
            self.assertIsNone(results[0])
            self.assertIsInstance(results[1], MemoryError)
            self.assertGreaterEqual(first.usage, 16 * MIB)
            self.assertLessEqual(second.usage, 8 * MIB)
        tenure.run(main())

    def test_the_loop_is_outside(self):
        tenant, seen = self.tenant("inner"), []

        async def main():
            loop = asyncio.get_running_loop()
            with tenant:
                loop.call_soon(lambda: seen.append(here()))
                loop.call_soon(tenure.bind(lambda: seen.append(here())))
                await asyncio.sleep(0)
                await asyncio.sleep(0)
        tenure.run(main())
        self.assertEqual(seen, ["/", "/inner"])

    def test_tasks_that_a_task_makes_inherit(self):
        outer, inner = self.tenant("outer"), self.tenant("inner")
        seen = []

        async def child():
            seen.append(here())
            with inner:
                await asyncio.sleep(0)
                seen.append(here())
            await asyncio.sleep(0)
            seen.append(here())

        async def main():
            with outer:
                task = asyncio.create_task(child(), name="child")
            await task
            self.assertEqual(task.get_name(), "child")
            self.assertIn("child", repr(task))
            async with asyncio.TaskGroup() as group:
                group.create_task(child())
            fresh = asyncio.create_task(child(), context=contextvars.Context())
            await fresh
        tenure.run(main())
        self.assertEqual(seen, ["/outer", "/inner", "/outer", "/", "/inner", "/", "/", "/inner", "/"])

    def test_cancellation_timeouts_and_exceptions(self):
        tenant, seen = self.tenant("cancelled"), []

        async def wait():
            try:
                with tenant:
                    await asyncio.sleep(60)
            finally:
                seen.append(here())

        async def main():
            task = asyncio.create_task(wait())
            await asyncio.sleep(0)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            with self.assertRaises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await wait()
            with self.assertRaises(TimeoutError):
                await asyncio.wait_for(wait(), 0.001)
            self.assertEqual(here(), "/")
        tenure.run(main())
        self.assertEqual(seen, ["/"] * 3)

    def test_asynchronous_generators(self):
        tenant = self.tenant("generator")

        async def numbers():
            for number in range(3):
                await asyncio.sleep(0)
                yield number, here()

        async def main():
            with tenant:
                self.assertEqual([item async for item in numbers()], [(i, "/generator") for i in range(3)])
        tenure.run(main())

    def test_threads_of_a_task(self):
        tenant = self.tenant("worker")

        async def main():
            with tenant:
                self.assertEqual(await tenure.to_thread(here), "/worker")
            self.assertEqual(await tenure.to_thread(here), "/")
        tenure.run(main())

    def test_a_whole_loop_inside_a_tenant(self):
        async def main():
            await asyncio.sleep(0)
            return here(), await asyncio.create_task(tail())

        async def tail():
            await asyncio.sleep(0)
            return here()
        with self.tenant("service"):
            self.assertEqual(tenure.run(main()), ("/service", "/service"))


class WithoutTaskFactory(TenantTest):
    """A loop that nobody prepared: what cannot be right is refused."""

    def test_with_is_refused_in_a_task(self):
        tenant = self.tenant()

        async def main():
            with self.assertRaises(RuntimeError), tenant:
                self.fail("inside")
            self.assertEqual(here(), "/")
        asyncio.run(main())

    def test_callbacks_may_use_it(self):
        tenant, seen = self.tenant("callback"), []

        def callback():
            with tenant:
                seen.append(here())

        async def main():
            asyncio.get_running_loop().call_soon(callback)
            await asyncio.sleep(0)
        asyncio.run(main())
        self.assertEqual(seen, ["/callback"])

    def test_inside_works_in_any_task(self):
        outer, inner = self.tenant("outer"), self.tenant("inner")

        async def work():
            await asyncio.sleep(0)
            before = here()
            with inner:
                await asyncio.sleep(0)
                during = here()
            return before, during, here()

        async def main():
            seen = await asyncio.gather(tenure.inside(outer, work()), tenure.inside(inner, work()))
            self.assertEqual(here(), "/")
            return seen
        self.assertEqual(asyncio.run(main()), [("/outer", "/inner", "/outer"), ("/inner", "/inner", "/inner")])

    def test_inside_takes_futures_and_passes_exceptions(self):
        tenant = self.tenant()

        async def main():
            future = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(future.set_result, 7)
            self.assertEqual(await tenure.inside(tenant, future), 7)

            async def fails():
                await asyncio.sleep(0)
                raise KeyError
            with self.assertRaises(KeyError):
                await tenure.inside(tenant, fails())
        asyncio.run(main())

    def test_install_keeps_the_factory_that_is_there(self):
        made = []

        def factory(loop, coroutine, **arguments):
            made.append(coroutine)
            return asyncio.Task(coroutine, loop=loop, **arguments)
        tenant = self.tenant("composed")

        async def child():
            with tenant:
                await asyncio.sleep(0)
                return here()

        async def main():
            asyncio.get_running_loop().set_task_factory(factory)
            tenure.install()
            tenure.install()
            self.assertEqual(await asyncio.create_task(child()), "/composed")
        asyncio.run(main())
        self.assertIsInstance(made[0], Steps)
        self.assertNotIsInstance(made[0]._coroutine, Steps)


if __name__ == "__main__":
    unittest.main()
