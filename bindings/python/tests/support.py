"""What the tests share. They run with the library preloaded and PYTHONMALLOC=malloc."""
import contextlib
import gc
import itertools
import unittest

import tenure

_numbers = itertools.count()


class TenantTest(unittest.TestCase):
    """Every tenant of a test must have nothing left at its end, and the thread must be in the root."""

    def setUp(self):
        self.tenants = []
        self.assertEqual(tenure.current().path, "/")

    def tenant(self, name=None, **settings):
        made = tenure.Tenant(name or f"t{next(_numbers)}", **settings)
        self.tenants.append(made)
        return made

    def tearDown(self):
        self.assertEqual(tenure.current().path, "/")
        gc.collect()
        for tenant in reversed(self.tenants):
            with contextlib.suppress(tenure.TenureError):
                tenant.offline()
        self.tenants.clear()


def here():
    return tenure.current().path


MIB = 1 << 20
