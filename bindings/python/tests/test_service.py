"""The example service, used by a client."""
import http.client
import json
import os
import signal
import subprocess
import sys
import unittest

SERVICE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "examples", "service.py")


class Service(unittest.TestCase):
    def setUp(self):
        self.process = subprocess.Popen([sys.executable, SERVICE, "0"], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def tearDown(self):
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=60)
        self.assertEqual(self.process.returncode, 0)

    def ask(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, path, body)
        answer = connection.getresponse()
        result = answer.status, answer.read()
        connection.close()
        return result

    def test_a_full_customer_beside_another(self):
        block = b"x" * (1 << 20)
        statuses = [self.ask("PUT", f"/full/{i}", block)[0] for i in range(24)]
        self.assertEqual(statuses[:8], [204] * 8)
        self.assertIn(507, statuses)
        self.assertEqual(self.ask("PUT", "/other/key", block)[0], 204)
        self.assertEqual(self.ask("GET", "/other/key"), (200, block))
        self.assertEqual(self.ask("GET", "/other/none")[0], 404)
        report = json.loads(self.ask("GET", "/other")[1])
        self.assertGreater(report["usage"], 1 << 20)
        self.assertEqual(report["failures"], 0)
        self.assertEqual(self.ask("GET", "/full/0"), (200, block))
        self.assertGreater(json.loads(self.ask("GET", "/full")[1])["failures"], 0)
        self.assertEqual(self.ask("GET", "/..")[0], 400)


if __name__ == "__main__":
    unittest.main()
