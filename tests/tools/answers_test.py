#!/usr/bin/env python3
"""answers_test.py <tenure> <region_holder>: files that answer requests, as hostile processes make them."""
import json
import os
import sys
import unittest

from holders import ToolCase


class Answers(ToolCase):
    def test_answers_that_are_none(self):
        """Files that a process of another mind puts in the place of its answer: one line each, and what the region shows."""
        holder = self.hold()
        holder.tell("serve")
        answer = os.path.join(self.folder, f".answer-{holder.pid}-0")
        good = {"isolated": False, "classes": [], "free": {"slabs": 1, "depots": 2, "fronts": 3},
                "large": {"objects": 1, "bytes": 5}, "stocked": 0, "unowned_slabs": 0, "departed": {"tenants": 0, "bytes": 0},
                "holders": [{"tenant": "/a\x1b[2J", "slabs": 1, "alone": 1, "bytes": 1, "held": 1}],
                "others": {"tenants": 0, "slabs": 0}}
        def write(text, mode=0o600):
            with open(answer, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(answer, mode)
        write(json.dumps(good))
        text = self.good("explain", holder.pid, "/t1")
        self.assertIn("/a?[2J", text)
        self.assertFalse(os.path.exists(answer))
        deep = "[" * 200000
        for content, mode, line in (("", 0o600, "is damaged"), ("{}", 0o600, "is damaged"), (deep, 0o600, "is damaged"),
                                    (json.dumps(good), 0o644, "is not its process's alone"),
                                    (json.dumps(good).replace("5", "-5e99"), 0o600, "is damaged")):
            write(content, mode)
            done = self.tenure("explain", holder.pid, "/t1")
            self.assertEqual((done.returncode, done.stderr.count("\n")), (0, 1), done)
            self.assertIn(line, done.stderr)
            self.assertIn("the rest", done.stdout)
        for make in (lambda: os.symlink("/etc/passwd", answer), lambda: os.mkfifo(answer, 0o600)):
            make()
            done = self.tenure("explain", holder.pid, "/t1")
            self.assertEqual((done.returncode, done.stderr.count("\n")), (0, 1), done)
            if os.path.lexists(answer):
                os.unlink(answer)


if __name__ == "__main__":
    ToolCase.tool, ToolCase.holder_program = sys.argv[1:3]
    unittest.main(argv=sys.argv[:1])
