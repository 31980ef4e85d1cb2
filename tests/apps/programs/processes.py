"""Process pools: forked and spawned workers, shared queues, results through pipes."""

import hashlib
import multiprocessing


def crunch(number):
    table = {i: str(i * number) * (i % 13) for i in range(4000)}
    for key in range(0, 4000, 3):
        del table[key]
    return hashlib.sha256("".join(table.values()).encode()).hexdigest()


if __name__ == "__main__":
    digest = hashlib.sha256()
    for method, jobs in (("fork", 120), ("spawn", 12), ("forkserver", 12)):
        context = multiprocessing.get_context(method)
        with context.Pool(3, maxtasksperchild=8) as pool:
            for result in pool.imap(crunch, range(jobs), chunksize=2):
                digest.update(result.encode())
    print(digest.hexdigest())
