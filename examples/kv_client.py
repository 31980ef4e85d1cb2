#!/usr/bin/env python3
"""kv_client.py <kv_server>: one tenant floods its quota; the other's data and answers stay right."""
import socket
import statistics
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


def work(client, rounds=3000):
    """Writes and reads, each of which must succeed; how long a pair took."""
    times = []
    for i in range(rounds):
        start = time.perf_counter()
        assert client.ask("SET", f"key{i % 100}", f"value{i}") == "OK"
        assert client.ask("GET", f"key{i % 100}") == f"value{i}"
        times.append((time.perf_counter() - start) * 1e6)
    return f"median {statistics.median(times):.0f} us, worst {max(times):.0f} us"


def flood(client, stop, answers):
    while not stop.is_set() or len(answers) < 2 * KEYS:
        answers += [client.ask("SET", f"key{i}", VALUE) for i in range(KEYS)]


server = subprocess.Popen([sys.argv[1], f"noisy={QUOTA}", f"quiet={QUOTA}"], stdout=subprocess.PIPE)
try:
    number = int(server.stdout.readline())
    quiet, noisy = Client(number, "quiet"), Client(number, "noisy")
    print("the neighbour alone:         ", work(quiet))
    stop, answers = threading.Event(), []
    thread = threading.Thread(target=flood, args=(noisy, stop, answers))
    thread.start()
    print("the neighbour beside a flood:", work(quiet))
    stop.set()
    thread.join()

    stored = sum(noisy.ask("GET", f"key{i}") == VALUE for i in range(KEYS))
    print(f"the flood: {stored} of {KEYS} values stored, {answers.count('FULL')} requests refused")
    assert 0 < stored * len(VALUE) <= int(noisy.ask("USAGE")) <= QUOTA and "FULL" in answers
    assert all(quiet.ask("GET", f"key{i}") == f"value{2900 + i}" for i in range(100))
    assert all(noisy.ask("DEL", f"key{i}") in ("OK", "NONE") for i in range(KEYS))
    assert noisy.ask("SET", "again", VALUE) == "OK"  # There is room once more.
finally:
    server.kill()
    server.wait()
