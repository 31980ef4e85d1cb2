#!/usr/bin/env python3
"""run_test.py <tenure> <libtenure.so>: the commands of the tool, their output and exit statuses."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

TOOL = os.path.abspath(sys.argv[1])
LIBRARY = os.path.realpath(sys.argv[2])
CLEAN = {name: value for name, value in os.environ.items()
         if not name.startswith("TENURE_") and name not in ("LD_PRELOAD", "GLIBC_TUNABLES")}


def tenure(*arguments, tool=TOOL, **environment):
    return subprocess.run([tool, *arguments], env=CLEAN | environment, text=True, check=False, timeout=240,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def environment_in(*options, **environment):
    """The environment that a program run with these options has."""
    done = tenure("run", *options, "--", "env", **environment)
    assert done.returncode == 0, done.stderr
    return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)


class Run(unittest.TestCase):
    def test_the_library_is_in_the_program(self):
        done = tenure("run", "--", "cat", "/proc/self/maps")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(LIBRARY, done.stdout)

    def test_without_options_the_library_is_preloaded_and_shows_its_tenants(self):
        inside = environment_in()
        self.assertEqual([name for name in inside if name.startswith("TENURE_")], ["TENURE_LIVE"])
        self.assertEqual(inside["TENURE_LIVE"], "on")
        self.assertNotIn("GLIBC_TUNABLES", inside)
        self.assertEqual(os.path.realpath(inside["LD_PRELOAD"]), LIBRARY)

    def test_options_become_variables(self):
        inside = environment_in("--hardened", "--decay-ms", "-1", "--huge-pages", "--rss-limit", "4096", "--cgroup",
                                "--helper", "on")
        self.assertEqual(inside["TENURE_CHECK"], "hardened")
        self.assertEqual(inside["TENURE_DECAY_MS"], "-1")
        self.assertEqual(inside["TENURE_HUGE_PAGES"], "on")
        self.assertEqual(inside["TENURE_RSS_LIMIT_MIB"], "4096")
        self.assertEqual(inside["TENURE_CGROUP"], "on")
        self.assertEqual(inside["TENURE_HELPER"], "on")

    def test_whether_tenants_are_shown(self):
        self.assertEqual(environment_in("--no-live")["TENURE_LIVE"], "off")
        self.assertEqual(environment_in("--live")["TENURE_LIVE"], "on")
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(environment_in(TENURE_LIVE=folder)["TENURE_LIVE"], folder)
            self.assertEqual(environment_in("--no-live", TENURE_LIVE=folder)["TENURE_LIVE"], "off")

    def test_limits_become_variables(self):
        inside = environment_in("--max", "1.5G", "--high", "512M", "--policy", "fail-all", "--mapped", "off", "--name", "shop")
        self.assertEqual((inside["TENURE_MAX"], inside["TENURE_HIGH"]), (str(3 << 29), str(512 << 20)))
        self.assertEqual((inside["TENURE_POLICY"], inside["TENURE_MAPPED"], inside["TENURE_NAME"]), ("fail-all", "off", "shop"))

    def test_other_variables_are_left_alone(self):
        self.assertEqual(environment_in(TENURE_SLAB_KIB="64")["TENURE_SLAB_KIB"], "64")

    def test_a_preload_and_tunables_are_kept(self):
        inside = environment_in("--fallback", LD_PRELOAD="libm.so.6", GLIBC_TUNABLES="glibc.malloc.check=0")
        first, second = inside["LD_PRELOAD"].split(":")
        self.assertEqual(os.path.realpath(first), LIBRARY)
        self.assertEqual(second, "libm.so.6")
        self.assertEqual(inside["GLIBC_TUNABLES"], "glibc.malloc.check=0:glibc.pthread.rseq=0")
        self.assertEqual(inside["TENURE_RSEQ"], "off")

    def test_statistics_as_text(self):
        done = tenure("run", "--stats", "--", sys.executable, "-c", "pass")
        self.assertEqual(done.returncode, 0)
        self.assertIn("tenure statistics", done.stderr)

    def test_statistics_as_json(self):
        done = tenure("run", "--stats=json", "--", sys.executable, "-c", "pass")
        self.assertIn(json.loads(done.stderr)["mode"], ("rseq", "fallback"))

    def test_fallback(self):
        done = tenure("run", "--fallback", "--stats=json", "--", sys.executable, "-c", "pass")
        self.assertEqual(json.loads(done.stderr)["mode"], "fallback")

    def test_arguments_reach_the_program_unchanged(self):
        for line in (["--", "a", "--", "b"], ["--stats", "x"], ["run", "--hardened"], ["", " "]):
            for separator in ([], ["--"]):
                with self.subTest(line=line, separator=separator):
                    done = tenure("run", *separator, "printf", "[%s]", *line)
                    # printf takes a first "--" among its operands as they come, after the format.
                    self.assertEqual(done.stdout, "".join(f"[{word}]" for word in line), done.stderr)

    def test_a_program_may_be_named_as_a_command_is(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "options")
            with open(path, "w", encoding="ascii") as file:
                file.write("#!/bin/sh\necho program\n")
            os.chmod(path, 0o755)
            for separator in ([], ["--"]):
                done = tenure("run", *separator, "options", PATH=f"{folder}:{os.environ['PATH']}")
                self.assertEqual(done.stdout, "program\n", done.stderr)

    def test_the_status_is_the_programs(self):
        self.assertEqual(tenure("run", "--", "sh", "-c", "exit 7").returncode, 7)
        self.assertEqual(tenure("run", "--", "sh", "-c", "kill -9 $$").returncode, -9)

    def test_a_named_library(self):
        with tempfile.TemporaryDirectory() as folder:
            copy = os.path.join(folder, "other.so")
            shutil.copy(LIBRARY, copy)
            self.assertIn(copy, tenure("run", "--lib", copy, "--", "cat", "/proc/self/maps").stdout)

    def test_a_tool_that_was_moved_with_its_library(self):
        with tempfile.TemporaryDirectory() as folder:
            for layout in ("beside", "lib"):
                binaries = os.path.join(folder, layout, "bin")
                libraries = binaries if layout == "beside" else os.path.join(folder, layout, "lib")
                os.makedirs(binaries)
                os.makedirs(libraries, exist_ok=True)
                tool = shutil.copy(TOOL, binaries)
                shutil.copy(LIBRARY, os.path.join(libraries, "libtenure.so"))
                done = tenure("run", "--", "cat", "/proc/self/maps", tool=tool)
                self.assertIn(os.path.join(os.path.realpath(libraries), "libtenure.so"), done.stdout, layout)


class Errors(unittest.TestCase):
    def expect(self, status, text, *arguments, **environment):
        done = tenure(*arguments, **environment)
        self.assertEqual(done.returncode, status, done)
        self.assertIn(text, done.stderr)
        self.assertEqual(done.stdout, "")

    def test_programs_that_do_not_start(self):
        self.expect(127, "/no/such/program: No such file", "run", "--", "/no/such/program")
        self.expect(126, "/etc/passwd: Permission denied", "run", "--", "/etc/passwd")

    def test_command_lines_that_make_no_sense(self):
        self.expect(125, "which program", "run")
        self.expect(125, "which program", "run", "--stats", "--")
        self.expect(125, "no option --bogus", "run", "--bogus", "--", "true")
        self.assertNotIn("did you mean", tenure("run", "--bogus", "--", "true").stderr)
        for given, meant in (("--harden", "--hardened"), ("--decay_ms", "--decay-ms"), ("--huge-page", "--huge-pages"),
                             ("--decay=5", "--decay-ms"), ("--stat", "--stats"), ("--fallbak", "--fallback")):
            self.expect(125, f"did you mean {meant}?", "run", given, "--", "true")
        self.expect(125, "no format xml", "run", "--stats=xml", "--", "true")
        self.expect(125, "decay_ms: bad value 'soon'", "run", "--decay-ms", "soon", "--", "true")
        self.expect(125, "decay_ms: bad value '3600001'", "run", "--decay-ms", "3600001", "--", "true")
        self.expect(125, "rss_limit_mib: bad value '-1'", "run", "--rss-limit", "-1", "--", "true")
        self.expect(125, "helper: bad value '500'", "run", "--helper", "500", "--", "true")
        for value in ("", "12Q", "-1", "1.5", "2000T", "many", "0x10"):
            self.expect(125, f"max: bad value '{value}'", "run", "--max", value, "--", "true")
        self.expect(125, "high: bad value '1X'", "run", "--high", "1X", "--", "true")
        self.expect(125, "which command")
        self.expect(125, "nonsense", "nonsense")
        self.expect(125, "excludes", "options", "--json", "--markdown")
        self.expect(125, "slab_kib: bad value", "classes", "--slab-kib", "31")

    def test_libraries_that_cannot_be_preloaded(self):
        self.expect(125, "/no/such.so: No such file", "run", "--lib", "/no/such.so", "--", "true")
        with tempfile.TemporaryDirectory(suffix=" blank") as folder:
            copy = shutil.copy(LIBRARY, folder)
            self.expect(125, "blank or a colon", "run", "--lib", copy, "--", "true")
            with open(os.path.join(folder, "no.so"), "w", encoding="ascii") as file:
                file.write("TENURE_1.0")
            self.expect(125, "no library of Tenure", "run", "--lib", file.name, "--", "true")
        with open("/proc/self/maps", encoding="ascii") as maps:
            libc = next(line.split()[-1] for line in maps if "libc.so.6" in line)
        self.expect(125, "no library of Tenure", "run", "--lib", libc, "--", "true")

    def test_programs_into_which_nothing_is_loaded(self):
        with tempfile.TemporaryDirectory() as folder:
            source, static = os.path.join(folder, "main.c"), os.path.join(folder, "static")
            with open(source, "w", encoding="ascii") as file:
                file.write("int main(void) { return 7; }")
            subprocess.run(["cc", "-static", "-o", static, source], check=True)
            script = os.path.join(folder, "script")
            with open(script, "w", encoding="ascii") as file:
                file.write(f"#!{static}\n")
            os.chmod(script, 0o755)
            for program in (static, script):
                done = tenure("run", "--", program)
                self.assertEqual(done.returncode, 7)
                self.assertEqual(done.stderr, f"tenure: {static} is linked statically: the library is not loaded\n")
            if os.getuid() == 0:
                raised = shutil.copy(shutil.which("true"), folder)
                os.chown(raised, 1, 1)
                os.chmod(raised, 0o4755)
                done = tenure("run", "--", raised)
                self.assertEqual(done.returncode, 0)
                self.assertIn("runs with raised privileges: the library is not loaded", done.stderr)
        self.assertEqual(tenure("run", "--", "true").stderr, "")

    def test_output_that_cannot_be_written(self):
        with open("/dev/full", "w", encoding="ascii") as full:
            done = subprocess.run([TOOL, "classes"], stdout=full, stderr=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, 125)


class Tables(unittest.TestCase):
    def test_options(self):
        options = json.loads(tenure("options", "--json").stdout)
        by_name = {option["name"]: option for option in options}
        self.assertEqual(by_name["check"]["default"], "fast")
        self.assertEqual(by_name["check"]["choices"], ["fast", "hardened"])
        self.assertEqual((by_name["decay_ms"]["smallest"], by_name["decay_ms"]["largest"]), (-1, 3600000))
        text, page = tenure("options").stdout, tenure("options", "--markdown").stdout
        for option in options:
            self.assertTrue(option["help"])
            self.assertIn(option["variable"], text)
            self.assertIn(f"| `{option['variable']}` |", page)

    def test_the_library_knows_the_options_that_are_listed(self):
        for option in json.loads(tenure("options", "--json").stdout):
            # Nearly every text is the name of a file.
            bad = "f" * 200 if option["name"].endswith("_file") else "non/sense"
            done = tenure("run", "--", "true", **{option["variable"]: bad})
            self.assertIn(f"{option['variable']}: bad value '{bad[:20]}", done.stderr)
            done = tenure("run", "--", "true", **{option["variable"]: str(option["default"])})
            self.assertEqual(done.stderr, "")

    def test_classes(self):
        classes = json.loads(tenure("classes", "--json").stdout)
        self.assertEqual((classes[0]["size"], classes[-1]["size"]), (16, 32768))
        for before, after in zip(classes, classes[1:]):
            self.assertEqual(after["smallest_request"], before["size"] + 1)
        for entry in classes:
            self.assertEqual(entry["size"] % 16, 0)
            self.assertLessEqual(entry["objects_in_slab"] * entry["size"], entry["slab_bytes"])
            self.assertGreaterEqual(entry["objects_in_slab"], 4)
            self.assertLessEqual(entry["waste_in_slab"], 1 / 8)
            if entry["size"] > 128:
                self.assertLessEqual(entry["worst_waste_in_object"], 1 / 5)
        rows = tenure("classes").stdout.splitlines()
        self.assertEqual(len([row for row in rows if row[:1].isdigit()]), len(classes))

    def test_classes_with_larger_slabs(self):
        for entry in json.loads(tenure("classes", "--json", "--slab-kib", "100").stdout):
            self.assertGreaterEqual(entry["slab_bytes"], 128 << 10)  # Rounded up to a power of two.

    def test_help_and_version(self):
        self.assertRegex(tenure("--version").stdout, r"^tenure \d+\.\d+\.\d+\n$")
        for command in ("run", "ps", "set", "options", "classes"):
            self.assertIn(command, tenure("--help").stdout)
            self.assertEqual(tenure(command, "--help").returncode, 0)
        self.assertIn("PROGRAM [ARGUMENTS...]", tenure("run", "--help").stdout)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
