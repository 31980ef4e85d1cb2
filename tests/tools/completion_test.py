#!/usr/bin/env python3
"""completion_test.py <tenure> <region_holder>: completion in bash, and that it knows what --help knows."""
import os
import re
import shutil
import subprocess
import sys
import unittest

from holders import ToolCase

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools", "completion")
COMMANDS = ["run", "ps", "ls", "stat", "top", "set", "reclaim", "trim", "events", "explain", "doctor", "export",
            "record", "profile", "heap", "leaks", "rules", "options", "classes"]


class Completion(ToolCase):
    def complete(self, *words):
        """What bash offers for the last of the words."""
        quoted = " ".join(f"'{word}'" for word in words)
        script = f"""
            source '{FOLDER}/tenure.bash'
            compopt() {{ :; }}
            PATH='{os.path.dirname(self.tool)}':$PATH
            COMP_WORDS=({quoted}) COMP_CWORD={len(words) - 1}
            _tenure
            printf '%s\\n' "${{COMPREPLY[@]}}"
        """
        done = subprocess.run(["bash", "-c", script], env=self.environment(), text=True, check=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def options_of(self, command):
        lines = re.findall(r"(?m)^  (-[^\s,]+(?:, ?-[^\s,]+)*)", self.good(command, "--help").split("Examples:")[0])
        return {option for line in lines for option in re.findall(r"--[a-z][a-z-]*", line)}

    def test_commands(self):
        offered = self.complete("tenure", "")
        self.assertEqual(set(offered), set(COMMANDS) | {"--help", "--version"})
        self.assertEqual(self.complete("tenure", "ex"), ["explain", "export"])
        listed = re.findall(r"(?m)^  (\w+) {2,}", self.good("--help").split("Subcommands:")[1].split("Examples:")[0])
        self.assertEqual(sorted(listed), sorted(COMMANDS))

    def test_options(self):
        with open(os.path.join(FOLDER, "_tenure"), encoding="utf-8") as file:
            zsh = file.read()
        for command in COMMANDS:
            with self.subTest(command=command):
                options = self.options_of(command)
                self.assertEqual(set(self.complete("tenure", command, "--")), options)
                missing = {option for option in options - {"--help"} if option not in zsh}
                self.assertEqual(missing, set(), "in _tenure")

    def test_processes_and_tenants(self):
        holder = self.hold()
        self.assertIn(str(holder.pid), self.complete("tenure", "ls", ""))
        self.assertEqual(self.complete("tenure", "set", str(holder.pid), "/t101/t110"), ["/t101/t110"])
        self.assertEqual(self.complete("tenure", "set", str(holder.pid), "/t1", "ma"), ["max="])
        self.assertIn("usage", self.complete("tenure", "ls", "--sort", "u"))

    @unittest.skipUnless(shutil.which("zsh"), "zsh is not installed")
    def test_zsh_reads_its_file(self):
        subprocess.run(["zsh", "-n", os.path.join(FOLDER, "_tenure")], check=True)

    def test_every_help_has_examples(self):
        for command in COMMANDS:
            self.assertIn("Examples:", self.good(command, "--help"), command)


if __name__ == "__main__":
    ToolCase.tool, ToolCase.holder_program = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
