#!/usr/bin/env python3
"""probes_test.py <libtenure.so> <program>: the library's probe points (USDT), as listeners see them."""
import os
import re
import shutil
import struct
import subprocess
import sys
import unittest

LIBRARY, PROGRAM = (os.path.realpath(path) for path in sys.argv[1:3])
CLEAN = {name: value for name, value in os.environ.items()
         if not name.startswith("TENURE_") and name != "LD_PRELOAD"}
ARGUMENTS = {"otel_memory:alloc": 3, "otel_memory:free": 1, "tenure:sample": 5, "tenure:limit": 4, "tenure:reclaim": 5,
             "tenure:offline": 3}
# The registers of a call's arguments: OpenTelemetry's profiler reads these, whatever the notes say.
REGISTERS = {62: ["%rdi", "%rsi", "%rdx", "%rcx", "%r8"], 183: ["x0", "x1", "x2", "x3", "x4"]}


def notes():
    """Location, semaphore and arguments of each probe, as readelf reads them."""
    text = subprocess.run(["readelf", "-n", LIBRARY], check=True, stdout=subprocess.PIPE, env=CLEAN | {"LC_ALL": "C"},
                          text=True).stdout
    found = {}
    for match in re.finditer(r"Provider: (\w+)\s+Name: (\w+)\s+Location: (\w+), Base: (\w+), Semaphore: (\w+)\s+"
                             r"Arguments: (.*)", text):
        provider, name, *numbers, arguments = match.groups()
        location, base, semaphore = (int(number, 16) for number in numbers)
        found[f"{provider}:{name}"] = location, base, semaphore, arguments.split()
    return found


def segments():
    with open(LIBRARY, "rb") as file:
        header = file.read(64)
        at, size, count = *struct.unpack_from("<Q", header, 32), *struct.unpack_from("<HH", header, 54)
        file.seek(at)
        table = file.read(size * count)
    entries = [struct.unpack_from("<IIQQQQQQ", table, i * size) for i in range(count)]
    return [entry for entry in entries if entry[0] == 1], struct.unpack_from("<H", header, 18)[0]


class Target:
    """The program under the library, which does what it is told to."""
    def __init__(self, **environment):
        self.process = subprocess.Popen([PROGRAM, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=CLEAN | {"LD_PRELOAD": LIBRARY, "TENURE_PROFILE_FILE": ""} | environment)
        assert self.process.stdout.readline() == "ready\n"
        with open(f"/proc/{self.process.pid}/maps", encoding="ascii") as maps:
            lines = [line.split() for line in maps if line.rstrip().endswith(LIBRARY)]
        self.base = min(int(line[0].split("-")[0], 16) - int(line[2], 16) for line in lines if line[2] == "00000000")

    def tell(self, what):
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def listeners(self, probe):
        with open(f"/proc/{self.process.pid}/mem", "rb") as memory:
            memory.seek(self.base + notes()[probe][2])
            return struct.unpack("<H", memory.read(2))[0]

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(timeout=60)


class Listener:
    """bpftrace, attached to a target by the time this is made."""
    def __init__(self, target, probes, script):
        self.process = subprocess.Popen(["bpftrace", "-B", "line", "-p", str(target.process.pid), "-e", script],
                                        env=CLEAN, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.said = ""
        for _ in range(100000):
            if all(target.listeners(probe) == 1 for probe in probes):
                return
            if self.process.poll() is not None:
                raise unittest.SkipTest("bpftrace cannot attach here: " + self.process.stdout.read())
            os.sched_yield()
        self.process.kill()
        raise unittest.SkipTest("bpftrace did not attach: " + self.process.communicate()[0])


class Notes(unittest.TestCase):
    def test_all_probes_with_arguments_in_the_registers_of_a_call(self):
        found = notes()
        self.assertEqual(set(found), set(ARGUMENTS))
        loads, machine = segments()
        for probe, (location, _, semaphore, arguments) in found.items():
            with self.subTest(probe=probe):
                wanted = ["8@" + register for register in REGISTERS[machine][:ARGUMENTS[probe]]]
                self.assertEqual(arguments, wanted)
                homes = {flags for _, flags, _, start, _, size, _, _ in loads for address in (location, semaphore)
                         if start <= address < start + size}
                self.assertEqual(homes, {5, 6})  # Code that may be executed, data that may be written.

    def test_locations_are_instructions_that_do_nothing(self):
        loads, machine = segments()
        nop = {62: b"\x90", 183: struct.pack("<I", 0xd503201f)}[machine]
        with open(LIBRARY, "rb") as file:
            for location, *_ in notes().values():
                for _, _, offset, start, _, size, _, _ in loads:
                    if start <= location < start + size:
                        file.seek(offset + location - start)
                        self.assertEqual(file.read(len(nop)), nop)

    def test_semaphores_are_in_the_file_and_zero(self):
        loads, _ = segments()
        with open(LIBRARY, "rb") as file:
            for _, _, semaphore, _ in notes().values():
                home = [(offset, start) for _, _, offset, start, _, size, _, _ in loads
                        if start <= semaphore < start + size]
                self.assertEqual(len(home), 1)
                file.seek(home[0][0] + semaphore - home[0][1])
                self.assertEqual(file.read(2), b"\0\0")


@unittest.skipUnless(shutil.which("bpftrace") and os.geteuid() == 0, "needs bpftrace, as root")
class Listeners(unittest.TestCase):
    OTEL = """usdt:%s:otel_memory:alloc { @bytes[arg1] = sum(arg2); @allocated = count(); @live[arg0] = 1; }
              usdt:%s:otel_memory:free { @freed = count(); if (@live[arg0] == 1) { @known = count(); } }
              usdt:%s:tenure:offline { printf("offline %%s\\n", str(arg1)); }
              usdt:%s:tenure:sample { @tenant[str(arg4)] = sum(arg2); @ids[str(arg4), arg3] = 1; }
              END { clear(@live); }""" % ((LIBRARY,) * 4)
    PROBES = ("otel_memory:alloc", "otel_memory:free", "tenure:offline", "tenure:sample")

    def test_what_a_program_allocates(self):
        target = Target(TENURE_PROFILE="4096")
        self.addCleanup(target.process.kill)
        listener = Listener(target, self.PROBES, self.OTEL)
        target.tell("run")
        self.assertEqual(target.end(), 0)
        said = listener.process.communicate(timeout=60)[0]
        number = lambda name: int(re.search(rf"@{re.escape(name)}: (\d+)", said).group(1))
        # As in profile_test.py: what the samples stand for.
        self.assertAlmostEqual(number("tenant[/acme]"), 4000 * 1024, delta=4000 * 1024 * .14)
        self.assertAlmostEqual(number("bytes[112]"), 20000 * 112, delta=20000 * 112 * .22)
        self.assertIn("offline /lost\n", said)
        # All of drop_other()'s samples end, and only samples end.
        self.assertGreater(number("known"), 300)
        self.assertLessEqual(number("freed"), number("allocated"))

    def test_a_listener_begins_sampling_and_ends_it(self):
        target = Target(TENURE_HELPER="on")
        self.addCleanup(target.process.kill)
        self.assertEqual(target.listeners("otel_memory:alloc"), 0)
        listener = Listener(target, ["otel_memory:alloc"],
                            'usdt:%s:otel_memory:alloc { printf("sampled\\n"); exit(); }' % LIBRARY)
        while listener.process.poll() is None:  # The helper looks every few seconds.
            target.tell("drop")
        self.assertIn("sampled\n", listener.process.communicate()[0])
        self.assertEqual(target.listeners("otel_memory:alloc"), 0)
        self.assertEqual(target.end(), 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
