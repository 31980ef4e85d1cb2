// Worker threads that make buffers and keep them until the process ends.
const { Worker, isMainThread, parentPort, workerData } = require("worker_threads");

if (isMainThread) {
  let answers = 0;
  for (const megabytes of [50, 10]) {
    const worker = new Worker(__filename, { workerData: megabytes });
    worker.on("message", () => {
      if (++answers === 2) {
        console.log(answers);
        process.exit(0);
      }
    });
  }
} else {
  const kept = [];
  for (let i = 0; i < workerData; i++) kept.push(Buffer.alloc(1 << 20, 1));
  parentPort.postMessage(kept.length);
  setInterval(() => kept.length, 1000);
}
