#!/usr/bin/env python3
"""kv_client.py <kv_server>: one tenant floods its quota; the other's data and answers stay right."""
import atexit
import socket
import subprocess
import sys
import threading
import time

QUOTA, KEYS, VALUE = 8 << 20, 1000, "x" * 20000


class Client:
    def __init__(self, port, tenant):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.stream = self.socket.makefile("r", encoding="ascii")
        assert self.ask("USE", tenant) == "OK"

    def ask(self, *words):
        self.socket.sendall((" ".join(map(str, words)) + "\n").encode())
        return self.stream.readline().rstrip("\n")


def work(client, title):
    """Writes and reads, each of which must succeed; prints how long a pair took."""
    times = []
    for i in range(3000):
        start = time.perf_counter()
        assert client.ask("SET", f"key{i % 100}", f"value{i}") == "OK"
        assert client.ask("GET", f"key{i % 100}") == f"value{i}"
        times.append((time.perf_counter() - start) * 1e6)
    print(f"{title:34} median {sorted(times)[1500]:.0f} us, worst {max(times):.0f} us")


def work_beside(other, client, title):
    """The same while the other one writes without a pause; returns the answers that one got."""
    stop, answers = threading.Event(), []
    def flood():
        while not stop.is_set() or len(answers) < 2 * KEYS:
            answers.extend(other.ask("SET", f"key{i}", VALUE) for i in range(KEYS))
    thread = threading.Thread(target=flood)
    thread.start()
    work(client, title)
    stop.set()
    thread.join()
    return answers


server = subprocess.Popen([sys.argv[1], f"quiet={QUOTA}", f"roomy={100 * QUOTA}", f"noisy={QUOTA}"],
                          stdout=subprocess.PIPE)
atexit.register(server.kill)
port = int(server.stdout.readline())
quiet, roomy, noisy = (Client(port, name) for name in ("quiet", "roomy", "noisy"))
work(quiet, "alone")
assert set(work_beside(roomy, quiet, "beside one with room for its data")) == {"OK"}
assert "FULL" in work_beside(noisy, quiet, "beside one that fills its quota")
stored = [i for i in range(KEYS) if noisy.ask("GET", f"key{i}") == VALUE]
assert 0 < len(stored) * len(VALUE) <= int(noisy.ask("USAGE")) <= QUOTA
assert all(quiet.ask("GET", f"key{i}") == f"value{2900 + i}" for i in range(100))
assert {noisy.ask("DEL", f"key{i}") for i in stored} == {noisy.ask("SET", "again", VALUE)} == {"OK"}
