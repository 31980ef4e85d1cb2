"""Where nothing would be limited, no tenant is made. Each case is a process of its own."""
import os
import subprocess
import sys
import unittest

LIBRARY = os.environ.get("LD_PRELOAD", "")
TRY = """
import errno, sys, tenure
print(tenure.active(), tenure.counts_objects())
try:
    tenure.Tenant("t", **eval(sys.argv[1]))
except tenure.NotActive as error:
    print(error.errno == errno.ENOTSUP, "python3 -m tenure" in str(error))
else:
    print("made")
"""


def attempt(settings="{}", before="", launcher=(), **environment):
    clean = {name: value for name, value in os.environ.items() if name not in ("LD_PRELOAD", "PYTHONMALLOC")}
    done = subprocess.run([sys.executable, *launcher, "-c", before + TRY, settings], env={**clean, **environment}, text=True,
                          capture_output=True, check=False)
    return done.stdout.split() + done.stderr.splitlines()[-1:]


class Closed(unittest.TestCase):
    def test_without_the_library(self):
        self.assertEqual(attempt(), ["False", "False", "True", "True"])
        self.assertEqual(attempt(PYTHONMALLOC="malloc"), ["False", "True", "True", "True"])
        self.assertEqual(attempt("dict(objects=False)"), ["False", "False", "True", "True"])

    def test_with_the_library_opened_only(self):
        opened = f"import ctypes; ctypes.CDLL({LIBRARY!r}, ctypes.RTLD_GLOBAL)\n"
        self.assertEqual(attempt(before=opened, PYTHONMALLOC="malloc"), ["False", "True", "True", "True"])

    def test_with_pythons_own_allocator(self):
        self.assertEqual(attempt(LD_PRELOAD=LIBRARY), ["True", "False", "True", "True"])
        self.assertEqual(attempt("dict(objects=False)", LD_PRELOAD=LIBRARY), ["True", "False", "made"])
        self.assertEqual(attempt(LD_PRELOAD=LIBRARY, PYTHONMALLOC="pymalloc_debug"), ["True", "False", "True", "True"])

    def test_with_both(self):
        for allocator in ("malloc", "malloc_debug"):
            self.assertEqual(attempt(LD_PRELOAD=LIBRARY, PYTHONMALLOC=allocator), ["True", "True", "made"])

    def test_the_launcher(self):
        self.assertEqual(attempt(launcher=("-m", "tenure"), LIBTENURE=LIBRARY), ["True", "True", "made"])

    def test_functions_without_the_library(self):
        code = ("import tenure\n"
                "print(tenure.root(), tenure.current(), tenure.find('/'), tenure.checkpoint(), tenure.reap(), "
                "repr(tenure.mode()), repr(tenure.version()))")
        clean = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
        done = subprocess.run([sys.executable, "-c", code], env=clean, text=True, capture_output=True, check=True)
        self.assertEqual(done.stdout.split(), ["None", "None", "None", "0", "0", "''", "''"])


if __name__ == "__main__":
    unittest.main()
