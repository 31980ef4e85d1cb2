"""The extension; the rest stands in pyproject.toml.

The C header lies in include/ in an sdist, and in the repository above this folder."""
import glob
import os
import shutil

from setuptools import Extension, setup
from setuptools.command.sdist import sdist

HERE = os.path.dirname(os.path.abspath(__file__))
OWN = os.path.join(HERE, "include")
INCLUDE = OWN if os.path.isdir(OWN) else os.path.join(HERE, "..", "..", "include")


class SdistWithHeaders(sdist):
    def make_release_tree(self, base_dir, files):
        super().make_release_tree(base_dir, files)
        folder = os.path.join(base_dir, "include", "tenure")
        os.makedirs(folder, exist_ok=True)
        for path in glob.glob(os.path.join(INCLUDE, "tenure", "*.h")):
            shutil.copy(path, folder)


setup(
    cmdclass={"sdist": SdistWithHeaders},
    ext_modules=[Extension("tenure._tenure", sorted(glob.glob("tenure/*.c")), include_dirs=[os.path.relpath(INCLUDE, HERE)],
                           py_limited_api=True)],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
