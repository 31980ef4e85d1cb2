// Objects, buffers outside the JavaScript heap, zlib, crypto and worker threads.
const crypto = require('crypto');
const zlib = require('zlib');
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');

function generator(seed) {
  let state = seed >>> 0;
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0);
}

function crunch(seed) {
  const next = generator(seed);
  const hash = crypto.createHash('sha256');
  const kept = new Map();
  for (let i = 0; i < 30000; i++) {
    const size = next() % 3000;
    kept.set(next() % 2000, Buffer.alloc(size, size & 255));
    if (i % 50 === 0) {
      const text = JSON.stringify({ i, keys: [...kept.keys()].slice(0, 40) });
      const packed = zlib.deflateSync(text);
      hash.update(zlib.inflateSync(packed)).update(text);
    }
  }
  for (const key of [...kept.keys()].sort((a, b) => a - b)) hash.update(kept.get(key));
  return hash.digest('hex');
}

if (isMainThread) {
  const seeds = [1, 2, 3, 4];
  const results = [crunch(0)];
  let left = seeds.length;
  for (const seed of seeds) {
    const worker = new Worker(__filename, { workerData: seed });
    worker.on('message', (m) => { results[seed] = m; });
    worker.on('error', (e) => { console.error(e); process.exit(1); });
    worker.on('exit', () => { if (--left === 0) console.log(results.join('\n')); });
  }
} else {
  parentPort.postMessage(crunch(workerData));
}
