// Scripts that run out of their time in the middle of calls, as by Ctrl-C in the REPL: they are cut off without `finally`. Prints
// how many were, and what of theirs is still set or held between the macrotasks behind them.
import { setImmediate as nextTask } from 'node:timers/promises';
import vm from 'node:vm';
import * as tilegrad from 'tilegrad';

const bodies = [
  // Most of the time passes in the making of an error.
  'for (;;) { try { add(x, y) } catch {} }',
  'for (;;) { try { reshape(x, [7]) } catch {} }',
  'for (;;) noGrad(() => tidy(() => mul(add(x, x), 2)))',
  'for (;;) tidy(() => { w.grad = null; mul(w, x).sum().backward(); w.grad.dispose(); })',
];
const context = vm.createContext({
  ...tilegrad,
  x: tilegrad.tensor([1, 2, 3]),
  y: tilegrad.tensor([1, 2]),
  w: tilegrad.tensor([1, 2, 3], { requiresGrad: true }),
});

/** Runs the script for so long; true if it was cut off. */
function cutOff(script, timeout) {
  try {
    vm.runInContext(script, context, { timeout });
  } catch (error) {
    return error.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT';
  }
  return false;
}

let cut = 0;
let withoutGrad = 0;
let sums = 0;
for (let i = 0; i < 200; i++) {
  if (cutOff(bodies[i % bodies.length], 1 + (i % 5))) cut += 1;
  await nextTask();
  if (!tilegrad.isGradEnabled()) withoutGrad += 1;
  sums += tilegrad.tidy(() => tilegrad.add(context.x, 1).sum().itemSync());
}
// A script within a stretch of the program's own.
const held = tilegrad.tidy(() => {
  const mine = tilegrad.add(context.x, 1);
  cutOff('for (;;) tidy(() => tidy(() => add(x, x)))', 5);
  return [mine, tilegrad.add(mine, 1)];
});
const inner = held.map((tensor) => tensor.tolistSync());
for (const tensor of held) tensor.dispose();
context.w.grad = null;
for (let i = 0; i < 5; i++) {
  globalThis.gc();
  await new Promise((resolve) => setTimeout(resolve, 20));
}
const { liveTensors } = tilegrad.memory();
console.log(JSON.stringify({ cut, withoutGrad, sums, inner, liveTensors }));
