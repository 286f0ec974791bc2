// Threads that wait synchronously: the main thread and two workers read chains of kernels of several sizes, at several
// numbers of threads. Prints how many results differ from those of one thread and the processor time of an idle second.
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { conv2d, device, indexSelect, matmul, setNumThreads, softmax, tensor, tidy } from 'tilegrad';

const values = (n, seed) => Float32Array.from({ length: n }, (_, i) => (((i * 7919 + seed) % 1009) - 504) / 504);
const chains = [
  () => softmax(tensor(values(64 * 1000, 1), { shape: [64, 1000] }), -1),
  () => {
    const x = tensor(values(192 * 192, 2), { shape: [192, 192] });
    return matmul(matmul(x, x), x).relu().sum(0);
  },
  () =>
    conv2d(tensor(values(16 * 784, 3), { shape: [16, 1, 28, 28] }), tensor(values(150, 4), { shape: [6, 1, 5, 5] })),
];
const results = () => chains.map((chain) => tidy(() => Buffer.from(chain().dataSync().buffer).toString('base64')));

/** How often one of the chains gave other bits than `expected`, or an error of this thread did not come back. */
function mistakes(expected, rounds) {
  let count = 0;
  for (let round = 0; round < rounds; round++) {
    results().forEach((result, i) => {
      if (result !== expected[i]) count++;
    });
    try {
      indexSelect(tensor([1, 2]), 0, tensor([7n])).dataSync();
      count++;
    } catch (error) {
      if (error.code !== 'ERR_ARGUMENT') count++;
    }
  }
  return count;
}

if (!isMainThread) {
  parentPort.once('message', ({ expected, rounds }) => parentPort.postMessage(mistakes(expected, rounds)));
} else {
  setNumThreads(1);
  const expected = results();
  let wrong = 0;
  for (const threads of [1, 2, 3, 8]) {
    setNumThreads(threads);
    wrong += mistakes(expected, 20);
    const workers = [0, 1].map(() => new Worker(new URL(import.meta.url)));
    const counts = workers.map((worker) => new Promise((resolve) => worker.once('message', resolve)));
    for (const worker of workers) worker.postMessage({ expected, rounds: 20 });
    wrong += mistakes(expected, 20);
    for (const count of await Promise.all(counts)) wrong += count;
  }
  device('cpu').syncBlocking();
  await new Promise((resolve) => setTimeout(resolve, 200));
  const before = process.cpuUsage();
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const { user, system } = process.cpuUsage(before);
  console.log(JSON.stringify({ wrong, idle: (user + system) / 1000 }));
}
