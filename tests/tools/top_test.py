#!/usr/bin/env python3
"""top_test.py <tenure> <region_holder>: tenure top in a terminal of 80x24, by tmux, as a person drives it; recordings."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest

from holders import ToolCase


class Screen:
    """A tmux server of its own with one window."""

    def __init__(self, command, environment, folder, width=80, height=24):
        self.socket = os.path.join(folder, "tmux")
        self.environment = {**environment, "TERM": "xterm-256color", "SHELL": "/bin/sh"}
        # The status stays on the screen after the command's end.
        self.run("-f", "/dev/null", "new-session", "-d", "-x", str(width), "-y", str(height),
                 f"{command}; echo status $?; exec sleep 60")

    def run(self, *arguments):
        return subprocess.run(["tmux", "-S", self.socket, *arguments], env=self.environment, text=True, check=True,
                              stdout=subprocess.PIPE).stdout

    def text(self, colours=False):
        return self.run("capture-pane", "-p", *(["-e"] if colours else []))

    def keys(self, *keys):
        self.run("send-keys", *keys)

    def close(self):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], check=False, stderr=subprocess.DEVNULL)


@unittest.skipUnless(shutil.which("tmux"), "tmux is not installed")
class Top(ToolCase):
    def show(self, *arguments, **size):
        words = " ".join([self.tool, "top", "--interval", "100ms", *map(str, arguments)])
        screen = Screen(words, self.environment(), self.scratch, **size)
        self.addCleanup(screen.close)
        return screen

    def until(self, screen, pattern, colours=False):
        """Waits for the screen to show the pattern; an expectation, not a measure of time."""
        deadline = time.monotonic() + 15
        while True:
            text = screen.text(colours)
            if re.search(pattern, text):
                return text
            if time.monotonic() > deadline:
                self.fail(f"no {pattern!r} on\n{text}")
            time.sleep(0.05)

    def test_one_process(self):
        holder = self.hold()
        screen = self.show(holder.pid)
        text = self.until(screen, r"t101 ")
        lines = text.splitlines()
        self.assertTrue(all(len(line) <= 80 for line in lines), text)
        self.assertEqual(len(lines), 24, text)
        self.assertIn("1 process  120 tenants", lines[0])
        for title in ("TENANT", "USAGE", "MAX", "GRAPH", "CHG/s", "FAIL/s", "EV/s", "STALL%"):
            self.assertIn(title, lines[1])
        self.assertIn("q quit", lines[23])
        self.assertIn("EVENTS", text)
        holder.tell("usage 101 2097152")
        text = self.until(screen, r"t101 +2M +2M 100% ")
        self.assertRegex(text, "[▁▂▃▄▅▆▇█]")
        holder.tell("event 5")
        # Red, and in the list of events.
        self.until(screen, r"failed +/t1/t5 ")
        screen.keys("q")
        self.until(screen, "status 0")

    def test_rows_with_events_are_highlighted(self):
        holder = self.hold(3)
        screen = self.show(holder.pid, "--sort", "name")
        self.until(screen, r"t3 ")
        screen.keys("p")
        self.until(screen, "PAUSED")
        holder.tell("event 3")
        screen.keys("p")
        self.until(screen, r"\x1b\[1m\x1b\[31m *t3 |\x1b\[1;31m *t3 |\x1b\[31m\x1b\[1m *t3 ", colours=True)

    def test_keys(self):
        holder = self.hold()
        screen = self.show(holder.pid, "--sort", "name")
        self.until(screen, r"-t1 ")
        screen.keys("Down", "Left")  # To t1, folded.
        text = self.until(screen, r"\+t1 ")
        self.assertNotRegex(text, r"\bt11 ")
        screen.keys("Right")
        self.until(screen, r"-t1 ")
        screen.keys("s")
        self.until(screen, r"by usage")
        screen.keys("S")
        self.until(screen, r"by name")
        screen.keys("/", "t", "1", "1", "5")
        text = self.until(screen, r"filter: t115_")
        self.assertRegex(text, r"(?m)^ +t115 ")
        self.assertNotRegex(text, r"\bt12 ")
        screen.keys("Enter")
        self.until(screen, r"filter: t115 +/ other")
        screen.keys("Escape")
        self.until(screen, r"(?m)^q quit")
        screen.keys("?")
        self.until(screen, "Rows turn yellow")
        screen.keys("?", "e")
        self.until(screen, r"(?s)STALL%(?!.*EVENTS).* t\d+ ")
        screen.keys("End")
        self.until(screen, r"t120 ")
        screen.keys("Home")
        self.until(screen, rf"- {holder.pid} region_")

    def test_several_processes_and_small_screens(self):
        first, second = self.hold(3), self.hold(3)
        screen = self.show(width=44, height=8)
        text = self.until(screen, rf"\+ {second.pid} reg")
        self.assertIn(f"+ {first.pid} reg", text)
        self.assertTrue(all(len(line) <= 44 for line in text.splitlines()), text)
        screen.run("resize-window", "-x", "120", "-y", "30")
        self.until(screen, "HIGH +PEAK")
        second.kill()
        text = self.until(screen, "1 process ")
        first.close()
        self.until(screen, "0 processes")
        screen.keys("q")
        self.until(screen, "status 0")

    def test_a_terminal_without_colours(self):
        holder = self.hold(3)
        words = f"TERM=vt100 LC_ALL=C {self.tool} top {holder.pid}"
        screen = Screen(words, self.environment(), self.scratch)
        self.addCleanup(screen.close)
        self.until(screen, r"t3 .*[#_]")

    def test_no_terminal(self):
        self.bad(125, "no terminal", "top", self.hold(3).pid)


class Once(ToolCase):
    def test_plain_text(self):
        holder = self.hold()
        lines = self.good("top", holder.pid, "--once", "--interval", "50ms").splitlines()
        self.assertEqual(len(lines), 2 + 121)
        self.assertNotIn("\x1b", "".join(lines))
        self.assertTrue(all(line == line.rstrip() for line in lines))
        self.assertLessEqual(max(map(len, lines)), 120)

    def test_recordings(self):
        holder = self.hold()
        path = os.path.join(self.scratch, "recording")
        recorder = subprocess.Popen([self.tool, "record", str(holder.pid), "-o", path, "--interval", "20ms"], text=True,
                                    env=self.environment(), stderr=subprocess.PIPE)
        self.addCleanup(recorder.stderr.close)

        def samples():
            with open(path, encoding="utf-8") as file:
                return file.read().count("\n")

        def wait_for_samples(number):
            deadline = time.monotonic() + 15
            while not os.path.exists(path) or samples() < number:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.02)

        wait_for_samples(2)
        holder.tell("usage 1 777")
        holder.tell("event 2")
        holder.tell("generation 120 4")  # Another tenant in its place.
        wait_for_samples(samples() + 3)
        recorder.send_signal(signal.SIGINT)
        self.assertEqual(recorder.wait(timeout=20), 0)
        with open(path, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        self.assertEqual(len(lines[0]["processes"][0]["tenants"]), 121)
        self.assertTrue(any(len(line["processes"][0]["tenants"]) < 5 for line in lines[1:]))
        live = self.good("top", holder.pid, "--once", "--interval", "50ms", "--sort", "name")
        replayed = self.good("top", "--replay", path, "--once", "--sort", "name")
        self.assertIn("777", replayed)
        self.assertEqual([line.split()[:3] for line in live.splitlines()[1:124]],
                         [line.split()[:3] for line in replayed.splitlines()[1:124]])
        # What was cut off in the middle of a line is shown up to there.
        with open(path, "r+", encoding="utf-8") as file:
            file.truncate(os.path.getsize(path) - 20)
        self.good("top", "--replay", path, "--once")

    def test_files_that_are_no_recordings(self):
        path = os.path.join(self.scratch, "file")
        for text in ("{}\n", "[]\n", "\0\n", '{"tenure_recording":2}\n', "{\"tenure_recording\":1,\"processes\":[{}]}\n"):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            self.bad(4, "line 1 is no line of a recording", "top", "--replay", path, "--once")
        open(path, "w", encoding="utf-8").close()
        self.bad(4, "empty", "top", "--replay", path, "--once")
        self.bad(2, "cannot be read", "top", "--replay", path + "x", "--once")
        self.bad(125, "no time", "record", "-o", path, "--interval", "1ms")


if __name__ == "__main__":
    ToolCase.tool, ToolCase.holder_program = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
