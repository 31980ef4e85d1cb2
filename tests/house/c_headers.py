"""What the C headers declare, for the checks that compare it with something."""
import glob
import os
import re

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


def text():
    """All of them, without comments and directives."""
    whole = ""
    for path in sorted(glob.glob(os.path.join(ROOT, "include", "tenure", "*.h"))):
        with open(path, encoding="utf-8") as file:
            whole += file.read()
    return re.sub(r"/\*.*?\*/|^\s*#.*?$", " ", whole, flags=re.DOTALL | re.MULTILINE)
