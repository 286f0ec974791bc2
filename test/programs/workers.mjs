// Two workers train while the main thread's kernels fail, then all three train at once. Prints what each learned, how many
// failures came back, and the memory that is live before and after. node --expose-gc workers.mjs [terminate]: then two more workers are stopped in the middle of it.
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { indexSelect, matmul, tensor } from 'tilegrad';
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

/** Fails in a kernel again and again while others train; every failure must come back here. */
async function failures() {
  const caught = [];
  for (let i = 0; i < 20; i++) {
    indexSelect(tensor([1, 2]), 0, tensor([7n]));
    await tensor([1])
      .data()
      .catch((error) => caught.push(error.code));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return caught.length;
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
  const training = Promise.all([start(false), start(false)]);
  const failed = await failures();
  const workers = await training;
  const main = await train(epochs);
  const [alongside] = await Promise.all([train(epochs), start(false), start(false)]);
  const stopped = await Promise.all([start(true), start(true)]);
  const after = await usage();
  console.log(
    JSON.stringify({ main, alongside, failed, workers, stopped: stopped.map(({ code }) => code), before, after }),
  );
}
