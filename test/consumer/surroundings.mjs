// The library in a worker thread, a child process and a vm context, all of one program.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import vm from 'node:vm';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import * as tilegrad from 'tilegrad';

const self = fileURLToPath(import.meta.url);
const product = async () => {
  const { data } = await read(tilegrad.tensor([[1, 2]]).matmul(tilegrad.tensor([[3], [4]])));
  return data[0];
};
async function read(x) {
  return { shape: x.shape, data: [...(await x.data())] };
}
const fromWorker = () =>
  new Promise((resolve, reject) => {
    new Worker(self).once('message', resolve).once('error', reject);
  });
const fromChild = () =>
  new Promise((resolve, reject) => {
    fork(self, ['child']).once('message', resolve).once('error', reject);
  });
async function inContext() {
  // Lists and typed arrays of another realm are no instances of this one's classes.
  const text = 'tensor([[1, 2]]).matmul(tensor(new Float32Array([3, 4])).reshape([2, 1]))';
  const { tensor } = tilegrad;
  return (await read(vm.runInNewContext(text, { tensor }))).data[0];
}

if (!isMainThread) parentPort.postMessage(await product());
else if (process.argv[2] === 'child') process.send(await product(), () => process.disconnect());
else {
  const [main, worker, child] = await Promise.all([product(), fromWorker(), fromChild()]);
  console.log(JSON.stringify({ main, worker, child, context: await inContext() }));
}
