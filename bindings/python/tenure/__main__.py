"""python3 -m tenure program.py [argument...]: runs the program with Tenure as its malloc, and Python's objects in it."""
import ctypes.util
import os
import sys


def library():
    """What LD_PRELOAD gets: LIBTENURE, or the library where the dynamic linker finds it."""
    return os.environ.get("LIBTENURE") or ctypes.util.find_library("tenure")


def main():
    if len(sys.argv) < 2:
        print("usage: python3 -m tenure program.py [argument...]", file=sys.stderr)
        return 2
    path = library()
    if not path:
        print("tenure: libtenure.so is not installed; LIBTENURE may name it", file=sys.stderr)
        return 1
    preloaded = os.environ.get("LD_PRELOAD")
    environment = {**os.environ, "LD_PRELOAD": f"{path}:{preloaded}" if preloaded else path, "PYTHONMALLOC": "malloc"}
    os.execve(sys.executable, [sys.executable, *sys.argv[1:]], environment)


if __name__ == "__main__":
    sys.exit(main())
