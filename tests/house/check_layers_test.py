#!/usr/bin/env python3
"""Shows that check_layers finds what it is there to find, and nothing else."""
import os
import tempfile
import unittest

from check_layers import check_file, check_headers, check_rooms


class CheckLayers(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.TemporaryDirectory()
        for path in ["base/words/bits.h", "rcu/grace.h", "allocator/heap/heap.h", "tools/show.h"]:
            self.write(path)

    def write(self, path, text=""):
        full = os.path.join(self.root.name, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)

    def tearDown(self):
        self.root.cleanup()

    def problems(self, path, text):
        return len(check_file(path, text, self.root.name))

    def test_includes_point_down(self):
        self.assertEqual(self.problems("rcu/a.cpp", '#include "base/words/bits.h"\n'), 0)
        self.assertEqual(self.problems("rcu/a.cpp", '#include "rcu/grace.h"\n'), 0)
        self.assertEqual(self.problems("rcu/a.cpp", '#include "allocator/heap/heap.h"\n'), 1)
        self.assertEqual(self.problems("api/a.cpp", '  #  include <tools/show.h>\n'), 1)
        self.assertEqual(self.problems("tests/rcu/a.cpp", '#include "allocator/heap/heap.h"\n'), 0)
        self.assertEqual(self.problems("tests/rcu/a.cpp", '#include "tools/show.h"\n'), 1)
        self.assertEqual(self.problems("rcu/a.cpp", '#include "../base/bits.h"\n'), 1)

    def test_rooms(self):
        self.write("house/CMakeLists.txt", "tenure_layer(house ROOMS cellar\n  kitchen)\n")
        for path in ["house/cellar/wine.h", "house/kitchen/oven.h", "house/attic/box.h",
                     "house/hooks.h"]:
            self.write(path)
        check = lambda path, target: check_rooms(path, target, self.root.name) is None
        self.assertTrue(check("house/kitchen/a.cpp", "house/cellar/wine.h"))
        self.assertTrue(check("house/kitchen/a.cpp", "house/kitchen/oven.h"))
        self.assertTrue(check("house/cellar/a.cpp", "house/hooks.h"))
        self.assertTrue(check("house/hooks.h", "house/cellar/wine.h"))
        self.assertFalse(check("house/hooks.h", "house/kitchen/oven.h"))
        self.assertFalse(check("house/cellar/a.cpp", "house/kitchen/oven.h"))
        self.assertFalse(check("house/kitchen/a.cpp", "house/attic/box.h"))

    def test_public_header(self):
        self.assertEqual(self.problems("api/a.cpp", "#include <tenure/tenure.h>\n"), 0)
        self.assertEqual(self.problems("allocator/a.cpp", "#include <tenure/tenure.h>\n"), 1)

    def test_file_for_each_header(self):
        for path in ["include/tenure/tenure.h", "include/tenure/rcu.h", "include/tenure/lru.h", "api/tenants/lru_api.cpp",
                     "api/tenants/handles.cpp"]:
            self.write(path)
        self.assertEqual(check_headers(self.root.name), [])
        self.write("include/tenure/cache.h")
        self.write("api/tenants/limit_api.cpp")
        self.assertEqual(len(check_headers(self.root.name)), 2)

    def test_system_headers(self):
        self.assertEqual(self.problems("base/a.cpp", "#include <sys/mman.h>\n#include <new>\n"), 0)

    def test_mapping_calls(self):
        for call in ["mmap(0)", "::mmap(0)", " madvise (p)", "if (mprotect(p, 1, 2))",
                     "syscall(SYS_mremap, p)"]:
            self.assertEqual(self.problems("allocator/a.cpp", f"void f() {{ {call}; }}\n"), 1, call)
            self.assertEqual(self.problems("base/memory/os_memory.cpp", f"{call};\n"), 0, call)
        for harmless in ["os_memory::mmap(0)", "reserve_mmap(0)", "// mmap(0)", 'log("mmap(0)")',
                         "/* a\n mmap(0) */", "memory.madvise(p)"]:
            self.assertEqual(self.problems("allocator/a.cpp", harmless + "\n"), 0, harmless)
        self.assertEqual(self.problems("tests/base/a.cpp", "mmap(0);\n"), 0)


if __name__ == "__main__":
    unittest.main()
