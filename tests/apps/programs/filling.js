// Objects in V8's heap until there is no memory, or enough of it.
const keep = [];
while (keep.length < 6000000) keep.push({ number: keep.length, list: [1, 2, 3] });
