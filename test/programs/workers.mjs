// The main thread and two workers train the same model at once. Prints what each learned, and the memory that is live
// before and after. node --expose-gc workers.mjs [terminate]: then two more workers are stopped in the middle of it.
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { matmul, tensor } from 'tilegrad';
import { train, usage } from './training.mjs';

const epochs = 10;

function start(stop) {
  const worker = new Worker(new URL(import.meta.url), { argv: stop ? ['terminate'] : [] });
  return new Promise((resolve, reject) => {
    worker.on('error', reject);
    worker.on('message', (message) => {
      worker.result = message;
      if (message === 'in a kernel') worker.terminate();
    });
    worker.on('exit', (code) => resolve({ code, ...worker.result }));
  });
}

async function runForever() {
  const x = tensor(new Float32Array(1024 * 1024).fill(1e-3), { shape: [1024, 1024] });
  matmul(x, x).data();
  parentPort.postMessage('in a kernel');
  for (;;) await matmul(x, x).data();
}

if (!isMainThread) {
  if (process.argv.includes('terminate')) await runForever();
  parentPort.postMessage(await train(epochs));
} else {
  await train(1);
  const before = await usage();
  const [main, ...workers] = await Promise.all([train(epochs), start(false), start(false)]);
  const stopped = await Promise.all([start(true), start(true)]);
  const after = await usage();
  console.log(JSON.stringify({ main, workers, stopped: stopped.map(({ code }) => code), before, after }));
}
