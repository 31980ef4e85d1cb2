#!/usr/bin/env python3
"""kv_client.py <kv_server>: one tenant fills its quota and goes on trying; the other's data and answers stay right."""
import socket
import statistics
import subprocess
import sys
import threading
import time

QUOTA = 8 << 20
VALUE = "x" * 20000


class Client:
    def __init__(self, port, tenant):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = self.socket.makefile("r", encoding="ascii")
        assert self.ask("USE", tenant) == "OK"

    def ask(self, *words):
        self.socket.sendall((" ".join(map(str, words)) + "\n").encode())
        return self.stream.readline().rstrip("\n")


def neighbour_works(client, rounds):
    """Reads and writes, all of which must succeed; microseconds that each pair took."""
    times = []
    for i in range(rounds):
        start = time.perf_counter()
        assert client.ask("SET", f"key{i % 100}", f"value{i}") == "OK"
        assert client.ask("GET", f"key{i % 100}") == f"value{i}"
        times.append((time.perf_counter() - start) * 1e6)
    return f"median {statistics.median(times):.0f} us, worst {max(times):.0f} us"


def noise(port, stop, answers):
    client = Client(port, "noisy")
    while not stop.is_set() or not answers:
        for i in range(1000):
            answers.append(client.ask("SET", f"key{i}", VALUE))
    assert int(client.ask("USAGE")) <= QUOTA
    assert client.ask("GET", "key0") == VALUE  # what was granted is there
    for i in range(1000):
        client.ask("DEL", f"key{i}")
    assert client.ask("SET", "again", VALUE) == "OK"  # and there is room again


with subprocess.Popen([sys.argv[1], f"noisy={QUOTA}", f"quiet={QUOTA}"], stdout=subprocess.PIPE) as server:
    try:
        number = int(server.stdout.readline())
        quiet, done, heard = Client(number, "quiet"), threading.Event(), []
        print("neighbour alone:       ", neighbour_works(quiet, 2000))
        noisy = threading.Thread(target=noise, args=(number, done, heard))
        noisy.start()
        print("beside the noisy one:  ", neighbour_works(quiet, 2000))
        done.set()
        noisy.join()
        print(f"the noisy one: {heard.count('OK')} stored, {heard.count('FULL')} refused")
        assert heard.count("OK") * len(VALUE) <= QUOTA * (len(heard) / 1000) and heard.count("FULL") > 500
        assert set(heard) == {"OK", "FULL"} and quiet.ask("GET", "key99") == "value1999"
        assert int(quiet.ask("USAGE")) < QUOTA // 2
    finally:
        server.terminate()
