#!/usr/bin/env python3
"""options_page.py <tenure> [--update]: docs/options.md is the output of `tenure options --markdown`."""
import difflib
import os
import subprocess
import sys

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "options.md")


def main():
    done = subprocess.run([sys.argv[1], "options", "--markdown"], stdout=subprocess.PIPE, text=True, check=True)
    if "--update" in sys.argv:
        with open(PAGE, "w", encoding="utf-8") as file:
            file.write(done.stdout)
        return 0
    with open(PAGE, encoding="utf-8") as file:
        present = file.read()
    if present == done.stdout:
        return 0
    sys.stdout.writelines(difflib.unified_diff(present.splitlines(True), done.stdout.splitlines(True),
                                               "docs/options.md", "tenure options --markdown"))
    print("docs/options.md is not up to date: run this test's command with --update")
    return 1


if __name__ == "__main__":
    sys.exit(main())
