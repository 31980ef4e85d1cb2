"""What the C headers declare, for the checks that compare it with something."""
import glob
import os
import re

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")


# The inside of rcu.h, and the header itself, whose functions are the program's own.
INSIDE, INLINE = ("rcu_batches.h", "rcu_flavor.h", "rcu_readers.h"), "rcu.h"


def text(inline=True):
    """All of them that are for programs, without comments and directives; `inline`: with those that no library exports."""
    whole = ""
    for path in sorted(glob.glob(os.path.join(ROOT, "include", "tenure", "*.h"))):
        if os.path.basename(path) in INSIDE or (os.path.basename(path) == INLINE and not inline):
            continue
        with open(path, encoding="utf-8") as file:
            whole += file.read()
    return re.sub(r"/\*.*?\*/|^\s*#.*?$", " ", whole, flags=re.DOTALL | re.MULTILINE)
