"""JSON, regular expressions, compression and pickles over a growing document."""

import hashlib
import json
import pickle
import random
import re
import zlib

rng = random.Random(21)
digest = hashlib.sha256()


def document(depth):
    if depth == 0:
        return rng.choice([None, True, int(rng.random() * 1e9), rng.random(), "text " * 5])
    if depth % 2:
        return [document(depth - 1) for _ in range(int(rng.random() * 9) + 1)]
    return {f"field{i}": document(depth - 1) for i in range(int(rng.random() * 9) + 1)}


for turn in range(12):
    tree = [document(6) for _ in range(8)]
    text = json.dumps(tree, indent=turn % 3 or None)
    assert json.loads(text) == tree
    assert pickle.loads(pickle.dumps(tree)) == tree
    packed = zlib.compress(text.encode(), 1)
    assert zlib.decompress(packed).decode() == text
    digest.update(text.encode())
    digest.update(str(len(re.findall(r"field(\d)", text))).encode())
print(digest.hexdigest())
