#!/usr/bin/env python3
"""export_test.py <tenure> <region_holder>: figures for Prometheus, parsed strictly, and the server that serves them."""
import os
import re
import signal
import socket
import subprocess
import sys
import unittest
import urllib.error
import urllib.request

from holders import ToolCase
from open_metrics import Malformed, Page

OPEN = "application/openmetrics-text; version=1.0.0"


class Pages(ToolCase):
    def test_the_parser_is_strict(self):
        good = '# TYPE a_bytes gauge\n# UNIT a_bytes bytes\na_bytes{x="1"} 2\n# TYPE b counter\nb_total 1\n# EOF\n'
        Page(good)
        for before, after in (("# EOF\n", ""), ("b_total", "b"), ("gauge", "gaug"), ('x="1"', 'x="1",x="2"'),
                              ('x="1"', "x=1"), (" 2\n", " two\n"), ("b_total 1", "b_total -1"), ("UNIT a_bytes bytes", "UNIT a_bytes s"),
                              ('a_bytes{x="1"} 2\n', 'a_bytes{x="1"} 2\na_bytes{x="1"} 2\n'), ("# TYPE b counter", "# TYPE a_bytes gauge")):
            with self.subTest(after=after), self.assertRaises(Malformed):
                Page(good.replace(before, after, 1))

    def test_all_figures(self):
        holder = self.hold()
        page = Page(self.good("export"))
        here = {"pid": str(holder.pid), "process": "region_holder"}
        self.assertEqual(page.get("tenure_tenant_usage_bytes", tenant="/t1", **here), 1000)
        self.assertEqual(page.get("tenure_tenant_max_bytes", tenant="/t1/t11", **here), (2 << 20) + 11)
        self.assertEqual(page.get("tenure_tenant_failures_total", tenant="/t1", **here), 1)
        self.assertEqual(page.get("tenure_tenant_events_total", tenant="/t1", event="max"), 1)
        self.assertEqual(page.get("tenure_process_tenants", **here), 121)
        self.assertEqual(page.get("tenure_process_info", mode="rseq", **here), 1)
        self.assertEqual(page.get("tenure_process_heap_bytes", level="allocated", **here), 7 << 20)
        self.assertEqual(len(page.all("tenure_tenant_usage_bytes")), 121)
        self.assertEqual(page.all("tenure_tenant_high_bytes"), {})  # There is none.

    def test_the_older_format(self):
        holder = self.hold()
        page = Page(self.good("export", "--format", "prometheus"), open_metrics=False)
        self.assertEqual(page.types["tenure_tenant_failures_total"], "counter")
        self.assertEqual(page.get("tenure_tenant_usage_bytes", tenant="/t1", pid=str(holder.pid)), 1000)

    def test_processes_that_are_named(self):
        first, second = self.hold(3), self.hold(3)
        self.assertEqual(len(Page(self.good("export")).all("tenure_process_info")), 2)
        page = Page(self.good("export", second.pid))
        self.assertEqual([dict(labels)["pid"] for labels in page.all("tenure_process_info")], [str(second.pid)])
        self.bad(2, "there is no process", "export", 99999999)
        self.assertNotEqual(first.pid, second.pid)

    def test_others_are_summed(self):
        """What has no label of its own is counted once, with all below it."""
        self.hold()
        whole, part = Page(self.good("export")), Page(self.good("export", "--tenants", 8))
        labelled = {dict(labels)["tenant"] for labels in part.all("tenure_tenant_usage_bytes")}
        self.assertEqual(len(labelled), 9)
        self.assertIn("other", labelled)
        self.assertTrue({"/", "/t1", "/t101"} <= labelled)  # Parents before children.
        uppermost = 0
        for labels, value in whole.all("tenure_tenant_usage_bytes").items():
            path = dict(labels)["tenant"]
            if path not in labelled and (path.rpartition("/")[0] or "/") in labelled:
                uppermost += value
        self.assertEqual(part.get("tenure_tenant_usage_bytes", tenant="other"), uppermost)
        for name in ("tenure_tenant_failures_total", "tenure_tenant_own_bytes"):
            self.assertEqual(sum(part.all(name).values()), sum(whole.all(name).values()))
        none = Page(self.good("export", "--tenants", 0))
        self.assertEqual(none.get("tenure_tenant_usage_bytes"), 0)  # The root's, which has all.

    def test_a_file_in_one_step(self):
        self.hold()
        path = os.path.join(self.scratch, "tenure.prom")
        self.good("export", "-o", path)
        with open(path, encoding="utf-8") as file:
            Page(file.read())
        self.assertEqual(os.listdir(self.scratch).count("tenure.prom"), 1)
        self.bad(125, "cannot be written", "export", "-o", "/no/such/folder/x")


class Server(ToolCase):
    def setUp(self):
        super().setUp()
        self.holder = self.hold()
        self.start()

    def start(self, *options):
        self.server = subprocess.Popen([self.tool, "export", "--listen", "127.0.0.1:0", *options], text=True,
                                       env=self.environment(), stderr=subprocess.PIPE)
        self.addCleanup(self.server.stderr.close)
        self.addCleanup(self.server.wait)
        self.addCleanup(self.server.kill)
        self.address = re.search(r"http://([^/]+)/metrics", self.server.stderr.readline()).group(1)

    def fetch(self, path="/metrics", accept="*/*"):
        request = urllib.request.Request(f"http://{self.address}{path}", headers={"Accept": accept})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.headers["Content-Type"], answer.read().decode()

    def raw(self, text, shut=False):
        host, port = self.address.split(":")
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            connection.sendall(text)
            if shut:
                connection.shutdown(socket.SHUT_WR)
            data = b""
            while chunk := connection.recv(65536):
                data += chunk
            return data

    def test_both_formats(self):
        kind, text = self.fetch(accept=OPEN)
        self.assertIn("application/openmetrics-text", kind)
        Page(text)
        kind, text = self.fetch()
        self.assertIn("version=0.0.4", kind)
        Page(text, open_metrics=False)

    def test_a_loop_of_scrapes_under_change(self):
        """Counters never fall, tenants come and go, one of them labelled."""
        self.server.kill()
        self.start("--tenants", "5")
        last = {}
        for step in range(30):
            self.holder.tell(f"event {2 + step % 100}")
            self.holder.tell(f"usage 1 {step}")
            if step % 3 == 0:  # A tenant goes: its generation is odd while its slot is written.
                self.holder.tell(f"generation {50 + step} {3 if step % 2 else 4}")
            page = Page(self.fetch(accept=OPEN)[1])
            self.assertEqual(page.get("tenure_tenant_usage_bytes", tenant="/t1"), step)
            failures = page.get("tenure_tenant_failures_total", tenant="other")
            self.assertGreaterEqual(failures, last.get("failures", 0))
            last["failures"] = failures
        self.assertGreater(last["failures"], 20)

    def test_processes_come_and_go(self):
        other = self.hold(3)
        self.assertEqual(len(Page(self.fetch(accept=OPEN)[1]).all("tenure_process_info")), 2)
        other.kill()
        self.assertEqual(len(Page(self.fetch(accept=OPEN)[1]).all("tenure_process_info")), 1)
        self.assertFalse(os.path.exists(other.path))

    def test_requests_that_are_none(self):
        for path, status in (("/other", 404), ("/metrics/", 404)):
            with self.assertRaises(urllib.error.HTTPError) as caught:
                self.fetch(path)
            caught.exception.close()
            self.assertEqual(caught.exception.code, status)
        self.assertIn(b" 405 ", self.raw(b"POST /metrics HTTP/1.1\r\n\r\n"))
        self.assertIn(b" 400 ", self.raw(b"\x00\xff\r\n\r\n"))
        self.assertIn(b" 431 ", self.raw(b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 8180))
        self.assertEqual(self.raw(b"GET /met", shut=True), b"")
        head = self.raw(b"HEAD /metrics HTTP/1.1\r\n\r\n")
        self.assertTrue(head.endswith(b"\r\n\r\n"))
        self.assertIn("Metrics", self.fetch("/")[1])
        Page(self.fetch(accept=OPEN)[1])

    def test_clients_that_say_nothing_hold_up_nobody(self):
        host, port = self.address.split(":")
        idle = [socket.create_connection((host, int(port)), timeout=20) for _ in range(20)]
        for connection in idle:
            self.addCleanup(connection.close)
        Page(self.fetch(accept=OPEN)[1])

    def test_it_ends_by_sigterm(self):
        self.server.send_signal(signal.SIGTERM)
        self.assertEqual(self.server.wait(timeout=20), 0)

    def test_an_address_in_use(self):
        self.bad(125, "Address already in use", "export", "--listen", self.address)


if __name__ == "__main__":
    ToolCase.tool, ToolCase.holder_program = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
    unittest.main(argv=sys.argv[:1] + sys.argv[3:])
