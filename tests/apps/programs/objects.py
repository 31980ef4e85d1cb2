"""Dictionaries, strings and lists grow, shrink and are rebuilt in a fixed pseudo-random order."""

import hashlib
import random
import sys

rng = random.Random(20)
rounds = int(sys.argv[1])
digest = hashlib.sha256()
table = {}
for step in range(rounds):
    key = f"key-{int(rng.random() * 60000)}"
    kind = step % 4
    if kind == 0:
        table[key] = {"id": step, "name": key * (step % 7), "tags": [key[:4]] * (step % 11)}
    elif kind == 1:
        table[key] = "x" * int(rng.random() ** 4 * 6000)
    elif kind == 2:
        table[key] = list(range(step % 40))
    else:
        table.pop(key, None)
    if step % 50000 == 49999:
        joined = "".join(sorted(table))
        digest.update(joined.encode())
        words = joined.split("-")
        digest.update(str(len(set(words))).encode())
        for victim in list(table)[::2]:
            del table[victim]
for key in sorted(table):
    digest.update(repr(table[key]).encode())
print(digest.hexdigest())
