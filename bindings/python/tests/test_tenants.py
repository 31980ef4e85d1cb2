"""Tenants, scopes and limits without an event loop."""
import contextvars
import errno
import os
import threading
import unittest

import tenure
from support import MIB, TenantTest, here


class Charging(TenantTest):
    def test_large_and_small_objects_are_charged(self):
        tenant = self.tenant()
        with tenant:
            large = bytearray(4 * MIB)
            small = [bytearray(40) for _ in range(10000)]
        usage = tenant.usage
        self.assertGreater(usage, 4 * MIB + 10000 * 80)
        del large
        self.assertLess(tenant.usage, usage - 4 * MIB + 1)
        del small
        self.assertLess(tenant.usage, 64 << 10)

    def test_who_frees_does_not_matter(self):
        tenant = self.tenant()
        with tenant:
            block = bytearray(MIB)
        taken = []
        thread = threading.Thread(target=lambda: taken.append(tenant.usage))
        thread.start()
        thread.join()
        self.assertGreaterEqual(taken[0], MIB)
        del block
        self.assertLess(tenant.usage, MIB)

    def test_a_full_tenant_raises_and_others_go_on(self):
        full, other = self.tenant(max=8 * MIB), self.tenant(max=64 * MIB)
        with full:
            with self.assertRaises(MemoryError):
                bytearray(16 * MIB)
            with other:
                kept = bytearray(16 * MIB)
            with self.assertRaises(MemoryError):
                bytearray(16 * MIB)
        self.assertEqual(full.stats().failures, 2)
        self.assertEqual(len(kept), 16 * MIB)

    def test_small_objects_fill_a_tenant(self):
        for policy in (tenure.Policy.FAIL_LARGE, tenure.Policy.FAIL_ALL):
            tenant = self.tenant(max=2 * MIB, policy=policy)
            kept = []
            with self.assertRaises(MemoryError), tenant:
                while True:
                    kept.append(bytearray(100))
            self.assertEqual(here(), "/")
            self.assertGreater(len(kept), 8000)
            kept.clear()

    def test_leaving_needs_no_memory(self):
        tenant = self.tenant(max=MIB, policy=tenure.Policy.FAIL_ALL)
        kept = []
        for _ in range(200):
            try:
                with tenant, tenant:
                    while True:
                        kept.append(object())
            except MemoryError:
                pass
            self.assertEqual(here(), "/")
        kept.clear()


class Trees(TenantTest):
    def test_names_paths_and_parents(self):
        shop = self.tenant("shop")
        acme = self.tenant("acme", parent=shop)
        self.assertEqual((acme.path, acme.name, acme.parent), ("/shop/acme", "acme", shop))
        self.assertEqual(tenure.find("/shop/acme"), acme)
        self.assertIsNone(tenure.find("/shop/other"))
        self.assertEqual(tenure.root().path, "/")
        self.assertIsNone(tenure.root().parent)
        self.assertEqual(shop.stats().children, 1)

    def test_a_parent_limits_its_children_together(self):
        parent = self.tenant(max=8 * MIB)
        first, second = self.tenant(parent=parent), self.tenant(parent=parent)
        with first:
            kept = bytearray(6 * MIB)
        with second, self.assertRaises(MemoryError):
            bytearray(6 * MIB)
        del kept
        with second:
            bytearray(6 * MIB)

    def test_errors_have_their_numbers(self):
        shop = self.tenant("shop")
        self.tenant("acme", parent=shop)
        for number, call in ((errno.EEXIST, lambda: tenure.Tenant("shop")),
                             (errno.EINVAL, lambda: tenure.Tenant("a/b")),
                             (errno.EINVAL, lambda: tenure.Tenant("")),
                             (errno.EBUSY, shop.offline),
                             (errno.EINVAL, tenure.root().offline)):
            with self.assertRaises(tenure.TenureError) as caught:
                call()
            self.assertEqual(caught.exception.errno, number)
        with self.assertRaises(ValueError):
            tenure.Tenant("a\0b")
        with self.assertRaises(OverflowError):
            shop.max = -1
        with self.assertRaises(TypeError):
            shop.max = "1"

    def test_a_tenant_whose_limits_are_refused_is_not_left_behind(self):
        with self.assertRaises(OverflowError):
            tenure.Tenant("refused", max=-1)
        self.assertIsNone(tenure.find("/refused"))

    def test_offline_leaves_objects_to_the_parent(self):
        shop = self.tenant()
        acme = self.tenant(parent=shop)
        with acme:
            kept = bytearray(MIB)
        acme.offline()
        self.assertFalse(acme.online)
        self.assertGreaterEqual(shop.usage, MIB)
        del kept
        self.assertLess(shop.usage, MIB)
        with acme:  # Its parent's now.
            kept = bytearray(MIB)
        self.assertGreaterEqual(shop.usage, MIB)
        del kept
        with self.assertRaises(tenure.TenureError):
            acme.max = MIB

    def test_limits_and_policy_are_read_back(self):
        tenant = self.tenant(max=8 * MIB, high=6 * MIB, low=2 * MIB, min=MIB, reserve=4096,
                             policy=tenure.Policy.OBSERVE)
        self.assertEqual((tenant.max, tenant.high, tenant.low, tenant.min, tenant.reserve),
                         (8 * MIB, 6 * MIB, 2 * MIB, MIB, 4096))
        self.assertIs(tenant.policy, tenure.Policy.OBSERVE)
        tenant.max = None
        self.assertIsNone(tenant.max)
        with tenant:
            kept = bytearray(16 * MIB)
        self.assertGreater(tenant.stats().events[tenure.Event.HIGH], 0)
        del kept
        tenant.reset_peak()
        self.assertLess(tenant.stats().peak, 16 * MIB)
        tenant.reclaim(MIB)
        self.assertGreaterEqual(tenure.checkpoint(), 0)
        self.assertGreaterEqual(tenure.reap(), 0)


class Scopes(TenantTest):
    def test_they_nest_and_survive_exceptions(self):
        first, second = self.tenant("first"), self.tenant("second")
        with first:
            with self.assertRaises(KeyError), second, first:
                self.assertEqual(here(), "/first")
                raise KeyError
            self.assertEqual(here(), "/first")

    def test_the_handle_stays_open_inside(self):
        with tenure.Tenant("short") as tenant:
            self.tenants.append(tenant)
            del tenant
            self.assertEqual(here(), "/short")

    def test_generators_that_end_out_of_order(self):
        first, second = self.tenant("first"), self.tenant("second")

        def generator():
            with first:
                yield
        running = generator()
        next(running)
        with second:
            running.close()
            self.assertEqual(here(), "/second")
        self.assertEqual(here(), "/")

    def test_another_context_or_thread_cannot_leave(self):
        tenant = self.tenant("mine")
        with tenant:
            with self.assertRaises(RuntimeError):
                contextvars.Context().run(tenant.__exit__)
            context, caught = contextvars.copy_context(), []

            def leave():
                try:
                    context.run(tenant.__exit__)
                except RuntimeError as error:
                    caught.append(error)
            thread = threading.Thread(target=leave)
            thread.start()
            thread.join()
            self.assertEqual(len(caught), 1)
            self.assertEqual(here(), "/mine")

    def test_depth_is_bounded(self):
        tenant = self.tenant("deep")

        def down(levels):
            with tenant:
                if levels:
                    down(levels - 1)
        down(400)
        with self.assertRaises(RecursionError):
            down(600)

    def test_durable_tenants_keep_their_threads(self):
        paths = []
        for durable, path in ((True, "/keeps"), (False, "/")):
            with self.tenant(path.strip("/") or "plain", durable=durable):
                thread = threading.Thread(target=lambda: paths.append(here()))
                thread.start()
                thread.join()
        self.assertEqual(paths, ["/keeps", "/"])

    def test_bind_carries_the_tenant_to_a_thread(self):
        with self.tenant("bound"):
            work = tenure.bind(lambda: paths.append(here()))
        paths = []
        work()
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        self.assertEqual(paths, ["/bound", "/bound"])

    def test_fork_goes_on_inside(self):
        tenant = self.tenant("forked", max=8 * MIB)
        with tenant:
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    bytearray(16 * MIB)
                except MemoryError:
                    status = 0 if here() == "/forked" else 2
                os._exit(status)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)


if __name__ == "__main__":
    unittest.main()
