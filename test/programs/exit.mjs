// Ends in the way that is asked for, with the kernels idle, busy, or busy and awaited.
// node exit.mjs return|exit|throw|reject|terminate|kill main|worker|workers idle|busy|awaited
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { matmul, tensor } from 'tilegrad';

const [how, where, work] = isMainThread ? process.argv.slice(2) : workerData;

function startWork() {
  const x = tensor(new Float32Array(512 * 512).fill(1), { shape: [512, 512] });
  if (work === 'idle') return [x];
  // About a second on one core, far more than what comes next takes.
  const products = Array.from({ length: work === 'busy' ? 200 : 20 }, () => matmul(x, x));
  if (work === 'awaited') products.at(-1).data();
  return products;
}

const endings = {
  return() {},
  exit: () => process.exit(3),
  throw() {
    throw new Error('thrown on purpose');
  },
  reject: () => void Promise.reject(new Error('thrown on purpose')),
  terminate: () => new Promise(() => setInterval(() => undefined, 1000)),
  kill: () => process.kill(process.pid, 'SIGTERM'),
};

async function end() {
  globalThis.held = startWork();
  // Kernels run now, not only wait in the queue.
  await new Promise((resolve) => setTimeout(resolve, 20));
  parentPort?.postMessage('ready');
  await endings[how]();
}

/** The exit code of a worker that ends in this way. */
function runWorker() {
  return new Promise((resolve) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: [how, where, work] });
    worker.on('error', (error) => {
      if (error.message !== 'thrown on purpose') throw error;
    });
    worker.on('message', () => how === 'terminate' && worker.terminate());
    worker.on('exit', resolve);
  });
}

if (isMainThread && where !== 'main') {
  globalThis.held = startWork();
  const codes = await Promise.all(Array.from({ length: where === 'workers' ? 8 : 1 }, runWorker));
  process.exitCode = codes.every((code) => code === codes[0]) ? codes[0] : 99;
} else {
  await end();
}
