#!/usr/bin/env python3
"""profile_test.py <tenure> <libtenure.so> <program>: heap profiles of a program whose allocations are known, in every format.

The profiles in pprof's format are read by a reader of this test's own; check_pprof.py has Go's."""
import gzip
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest

TOOL, LIBRARY, PROGRAM = (os.path.abspath(path) for path in sys.argv[1:4])
CLEAN = {name: value for name, value in os.environ.items()
         if not name.startswith("TENURE_") and name != "LD_PRELOAD"}
MODES = [{}, {"GLIBC_TUNABLES": "glibc.pthread.rseq=0"}, {"TENURE_CHECK": "hardened"}]


def tenure(*arguments):
    return subprocess.run([TOOL, *arguments], env=CLEAN, check=False, timeout=60, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def fields(data):
    """Number and value of each field of a protocol buffer."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
            value = value - (1 << 64) if value >> 63 else value
        else:
            assert key & 7 == 2, key
            length, at = varint(data, at)
            value = data[at:at + length]
            assert len(value) == length
            at += length
        yield key >> 3, value


def numbers(data):
    at, found = 0, []
    while at < len(data):
        value, at = varint(data, at)
        found.append(value - (1 << 64) if value >> 63 else value)
    return found


def read_pprof(data):
    """Samples as (functions innermost first, labels, values by type)."""
    profile = list(fields(gzip.decompress(data)))
    strings = [value.decode() for number, value in profile if number == 6]
    assert strings[0] == ""
    types = [strings[dict(fields(value))[1]] for number, value in profile if number == 1]
    functions = {}
    for number, value in profile:
        if number == 5:
            entry = dict(fields(value))
            functions[entry[1]] = strings[entry[2]]
    mappings = [dict(fields(value)) for number, value in profile if number == 3]
    locations = {}
    for number, value in profile:
        if number == 4:
            entry = dict(fields(value))
            mapping = mappings[entry[2] - 1] if 2 in entry else None
            assert mapping is None or mapping[2] <= entry[3] < mapping[3]
            locations[entry[1]] = functions[dict(fields(entry[4]))[1]]
    samples = []
    for number, value in profile:
        if number != 2:
            continue
        entry = list(fields(value))
        labels = {}
        for kind, label in entry:
            if kind == 3:
                parts = dict(fields(label))
                labels[strings[parts[1]]] = strings[parts[2]] if 2 in parts else parts.get(3, 0)
        stack = [locations[place] for kind, places in entry if kind == 1 for place in numbers(places)]
        values = dict(zip(types, next(numbers(each) for kind, each in entry if kind == 2), strict=True))
        samples.append((stack, labels, values))
    default = [strings[value] for number, value in profile if number == 14]
    assert default == ["inuse_space"], default
    return samples, mappings, strings


class Profiles(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)

    def profile(self, name, *arguments, mean=4096, **environment):
        """The snapshot that the program leaves."""
        file = os.path.join(self.folder.name, name + ".profile")
        # The program, and not what starts it.
        subprocess.run([PROGRAM, *arguments], check=True, timeout=60, env=CLEAN | environment | {
            "LD_PRELOAD": LIBRARY, "TENURE_PROFILE": str(mean), "TENURE_PROFILE_FILE": file})
        return file

    def convert(self, *arguments):
        done = tenure("profile", "convert", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def check_sums(self, sites, of):
        """keep_acme() keeps 4000 objects of 1000 bytes, drop_other() allocates and frees 20000 of 100."""
        kept = [of(site) for site in sites if any("keep_acme" in name for name in site["stack"])]
        dropped = [of(site) for site in sites if any("drop_other" in name for name in site["stack"])]
        self.assertEqual({site[0] for site in kept}, {"/acme"})
        self.assertEqual({site[0] for site in dropped}, {"/group/other"})
        # 4000 * p samples of the first, p = 1 - exp(-1024 / 4096): 5 standard errors are 14 %; of the second 16 %.
        self.assertAlmostEqual(sum(site[1] for site in kept), 4000, delta=4000 * .14)
        self.assertAlmostEqual(sum(site[2] for site in kept), 4000 * 1024, delta=4000 * 1024 * .14)
        self.assertAlmostEqual(sum(site[3] for site in dropped), 20000, delta=20000 * .22)
        self.assertEqual(sum(site[1] for site in dropped), 0)

    def test_estimates_in_every_mode(self):
        for number, mode in enumerate(MODES):
            with self.subTest(mode=mode):
                file = self.profile(f"mode{number}", **mode)
                sites = json.loads(self.convert(file, "--format", "json"))["sites"]
                self.check_sums(sites, lambda site: (site["tenant"], site["live_objects"], site["live_bytes"],
                                                     site["allocated_objects"]))

    def test_pprof(self):
        file = self.profile("pprof")
        output = os.path.join(self.folder.name, "x.pb.gz")
        self.convert(file, "-o", output)
        with open(output, "rb") as stream:
            samples, mappings, strings = read_pprof(stream.read())
        sites = [{"stack": stack, "labels": labels, "values": values} for stack, labels, values in samples]
        self.check_sums(sites, lambda site: (site["labels"]["tenant"], site["values"]["inuse_objects"],
                                             site["values"]["inuse_space"], site["values"]["alloc_objects"]))
        self.assertTrue(any(strings[mapping.get(6, 0)] for mapping in mappings), "no build ids")
        self.assertIn("worker", {site["labels"].get("thread") for site in sites})
        for site in sites:
            self.assertNotIn(site["stack"][0], ("malloc", "free"))

    def test_stacks_lead_to_main_and_to_the_thread(self):
        sites = json.loads(self.convert(self.profile("stacks"), "--format", "json"))["sites"]
        for site in sites:
            if "keep_acme" in site["stack"]:
                self.assertLess(site["stack"].index("main"), site["stack"].index("keep_acme"))
                break
        else:
            self.fail("keep_acme is nowhere")
        self.assertTrue(any("run_worker" in site["stack"] and "drop_other" in site["stack"] for site in sites))

    def test_one_tenant_and_those_below(self):
        file = self.profile("tenant")
        for tenant, there in (("/acme", {"/acme"}), ("/group", {"/group/other"})):
            sites = json.loads(self.convert(file, "--format", "json", "--tenant", tenant))["sites"]
            self.assertEqual({site["tenant"] for site in sites}, there)

    def test_collapsed_stacks_and_text(self):
        file = self.profile("collapsed")
        lines = self.convert(file, "--format", "collapsed").decode().splitlines()
        self.assertTrue(any(re.fullmatch(r"/acme;.*main;.*keep_acme \d+", line) for line in lines), lines)
        text = self.convert(file).decode()
        self.assertIn("/acme", text)
        self.assertIn("keep_acme", text)

    def test_page_holds_its_data_and_asks_for_nothing(self):
        page = self.convert(self.profile("page"), "--format", "html").decode()
        data = re.search(r'<script id="data" type="application/json">(.*?)</script>', page, re.DOTALL).group(1)
        self.assertIn("keep_acme", json.loads(data)["names"])
        self.assertNotRegex(page, r"(?i)https?:|src=|@import|url\(")

    def test_what_departed_tenants_left(self):
        file = self.profile("leaks")
        done = tenure("leaks", file)
        self.assertEqual(done.returncode, 0, done.stderr)
        first, *sites = done.stdout.decode().splitlines()
        objects = int(re.fullmatch(r"/lost: .* in about (\d+) objects, the oldest of [\d.]+ s", first).group(1))
        self.assertAlmostEqual(objects, 1000, delta=250)
        self.assertEqual(len(sites), 1, sites)
        self.assertIn("lose < run < main", sites[0])

    def test_difference(self):
        less, more = self.profile("less", "1000"), self.profile("more", "5000")
        done = tenure("heap", "diff", less, more, "--format", "json")
        self.assertEqual(done.returncode, 0, done.stderr)
        sites = json.loads(done.stdout)["sites"]
        kept = sum(site["live_objects"] for site in sites if "keep_acme" in site["stack"])
        self.assertAlmostEqual(kept, 4000, delta=900)
        done = tenure("heap", "diff", more, more, "--format", "json")
        self.assertEqual(json.loads(done.stdout)["sites"], [])

    def test_files_that_are_no_snapshots(self):
        folder = self.folder.name
        whole = self.profile("whole")
        with open(whole, "rb") as stream:
            text = stream.read()
        output = os.path.join(folder, "output")
        with open(output, "w", encoding="ascii") as stream:
            stream.write("before")
        bad = {"empty": b"", "other": b"\x00\xff" * 100, "version": text.replace(b"profile 1", b"profile 2", 1),
               "short": text[:len(text) // 2], "words": text.replace(b"\nsite ", b"\nsite x", 1),
               "zero": re.sub(rb"\nsite (\d+) (\d+) (\d+) \d+", rb"\nsite \1 \2 \3 0", text, count=1)}
        for name, content in bad.items():
            with self.subTest(file=name):
                path = os.path.join(folder, name)
                with open(path, "wb") as stream:
                    stream.write(content)
                done = tenure("profile", "convert", path, "-o", output)
                self.assertEqual(done.returncode, 125)
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        done = tenure("profile", "convert", os.path.join(folder, "nowhere"), "-o", output)
        self.assertEqual(done.returncode, 125)
        done = tenure("profile", "convert", whole, "-o", os.path.join(folder, "no", "folder"))
        self.assertEqual(done.returncode, 125)
        with open(output, encoding="ascii") as stream:
            self.assertEqual(stream.read(), "before")

    def test_a_visit_of_what_a_departed_tenant_left(self):
        for mode in MODES + [{"TENURE_RSEQ": "off"}]:
            with self.subTest(mode=mode):
                done = subprocess.run([PROGRAM, "visit"], check=False, timeout=60, env=CLEAN | mode | {"LD_PRELOAD": LIBRARY})
                self.assertEqual(done.returncode, 0)

    def test_sites_of_a_tenant_that_ends_at_its_limit(self):
        for mode in MODES:
            with self.subTest(mode=mode):
                done = subprocess.run([PROGRAM, "limit"], check=False, timeout=60, stderr=subprocess.PIPE,
                                      env=CLEAN | mode | {"LD_PRELOAD": LIBRARY, "TENURE_PROFILE": "4096"})
                self.assertEqual(done.returncode, -signal.SIGABRT)
                first, *sites = done.stderr.decode().splitlines()
                self.assertRegex(first, r"^tenure: limit reached: tenant /full, ")
                self.assertIn(len(sites), range(1, 11))
                match = re.fullmatch(r"tenure:   about (\d+) bytes in \d+ objects of 1024, tenant /full, "
                                     r"by program\+0x[0-9a-f]+ < .*", sites[0])
                self.assertTrue(match, sites[0])
                self.assertAlmostEqual(int(match.group(1)), 4 << 20, delta=(4 << 20) * .2)

    def test_a_profile_that_cannot_be_written_is_reported(self):
        done = subprocess.run([PROGRAM], check=False, timeout=60, stderr=subprocess.PIPE, env=CLEAN | {
            "LD_PRELOAD": LIBRARY, "TENURE_PROFILE": "4096", "TENURE_PROFILE_FILE": self.folder.name + "/no/file"})
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stderr.decode(), r"tenure: profile: .* cannot be written: error 2\n")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
