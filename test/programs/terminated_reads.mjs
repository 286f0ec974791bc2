// Workers are terminated inside read(), which has then queued a copy and can make no promise: the copy is done all the same, to
// memory that must still be there. What is queued is so much that a worker spends nearly all of its time in that call.
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { matmul, memory, zeros } from 'tilegrad';

function readForever() {
  const x = zeros([20_000]);
  const large = zeros([2048, 2048]);
  matmul(large, large);
  parentPort.postMessage('reads');
  for (;;) x.data();
}

function terminated(afterMs) {
  const worker = new Worker(new URL(import.meta.url));
  return new Promise((resolve, reject) => {
    worker.on('error', reject);
    worker.on('message', () => setTimeout(() => worker.terminate(), afterMs));
    worker.on('exit', resolve);
  });
}

if (!isMainThread) {
  readForever();
} else {
  const codes = [];
  for (const afterMs of [20, 30, 40, 50, 60]) codes.push(await terminated(afterMs));
  console.log(JSON.stringify({ codes, liveBuffers: memory().liveBuffers }));
}
