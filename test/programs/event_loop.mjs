// Awaits kernels and reads for some seconds and prints the largest gap between two turns of the event loop, in ms.
// node event_loop.mjs SECONDS [block]; with `block` it waits as a program must not, so that the measure can be seen to fail.
import { openSync, readSync } from 'node:fs';
import { gatherRows, matmul, tensor } from 'tilegrad';

const seconds = Number(process.argv[2]);
const blocks = process.argv[3] === 'block';

const random = (n) => Float32Array.from({ length: n }, (_, i) => ((i * 7919) % 1009) / 1009);
const x = tensor(random(1024 * 1024), { shape: [1024, 1024] });
const half = gatherRows(x, tensor(Int32Array.from({ length: 1024 }, (_, i) => i)), { dtype: 'f16' });
const settle = () => new Promise((resolve) => setTimeout(resolve, 200));

// Nanoseconds that this thread has waited for a processor which others had: no fault of the library.
const schedstat = (() => {
  try {
    return openSync(`/proc/self/task/${process.pid}/schedstat`);
  } catch {
    return undefined;
  }
})();
const text = Buffer.alloc(128);
function waited() {
  if (schedstat === undefined) return 0;
  const length = readSync(schedstat, text, 0, text.length, 0);
  return Number(text.toString('latin1', 0, length).split(' ')[1]) / 1e6;
}

let largest = 0;
let last = 0;
let lastWaited = 0;
let done = false;
function turn() {
  const now = performance.now();
  const nowWaited = waited();
  if (last > 0) largest = Math.max(largest, now - last - (nowWaited - lastWaited));
  last = now;
  lastWaited = nowWaited;
  if (!done) setTimeout(turn, 1);
}

// A step is two products and reads of 4 and 2 MB; a step that blocks twenty products, some 100 ms on the fastest processors.
const products = blocks ? 20 : 2;
async function step() {
  let product = x;
  for (let i = 0; i < products; i++) product = matmul(product, x);
  if (blocks) product.dataSync();
  else await product.data();
  await half.data();
  await product.sum().item();
}

await step();
await settle();
turn();
const end = performance.now() + seconds * 1000;
let steps = 0;
for (; performance.now() < end; steps++) await step();
done = true;
console.log(JSON.stringify({ largest: Math.round(largest * 10) / 10, steps }));
