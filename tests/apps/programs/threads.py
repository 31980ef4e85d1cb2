"""Threads that hand objects to each other, compress and hash outside the interpreter lock, and
come and go in hundreds, while the process forks under them."""

import hashlib
import os
import queue
import threading
import zlib

WORKERS = 6
JOBS = 2500


def payload(number):
    return (f"job {number} " * (number % 300 + 1)).encode() * (1 + number % 5)


def work(jobs, results):
    while (number := jobs.get()) is not None:
        data = payload(number)
        packed = zlib.compress(data, 3)
        assert zlib.decompress(packed) == data
        results.put((number, hashlib.sha256(data * 20).hexdigest()))


def child_result(number):
    """What a forked child computes: it allocates and starts a thread of its own."""
    words = {f"w{i}": "v" * (i % 90) for i in range(3000 + number)}
    lengths = []
    thread = threading.Thread(target=lambda: lengths.append(sum(map(len, words.values()))))
    thread.start()
    thread.join()
    return lengths[0] % 200


jobs, results = queue.Queue(), queue.Queue()
workers = [threading.Thread(target=work, args=(jobs, results)) for _ in range(WORKERS)]
for worker in workers:
    worker.start()
for number in range(JOBS):
    jobs.put(number)

exits = []
for number in range(30):
    pid = os.fork()
    if pid == 0:
        os._exit(child_result(number))
    exits.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

for batch in range(100):
    short = [threading.Thread(target=lambda: payload(299)) for _ in range(10)]
    for thread in short:
        thread.start()
    for thread in short:
        thread.join()

for _ in workers:
    jobs.put(None)
for worker in workers:
    worker.join()
done = sorted(results.get() for _ in range(JOBS))
print(exits)
print(hashlib.sha256(repr(done).encode()).hexdigest())
