"""Small objects, which lie in arenas that Python maps, until there is no memory, or enough of it."""
keep = []
try:
    while len(keep) < 2_000_000:
        keep.append((len(keep), str(len(keep))))
except MemoryError:
    pass
count = len(keep)
del keep
print("enough" if count > 200_000 else "too few")
