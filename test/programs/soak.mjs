// Takes STEPS training steps and prints what memory is in use after a third of them and after all.
// node --expose-gc soak.mjs loader|tidy|leak STEPS; `leak` keeps every loss, so that the measure can be seen to fail.
import { getDefaultDevice, tidy } from 'tilegrad';
import { classifier, loader, points, step, usage } from './training.mjs';

const [mode, count] = process.argv.slice(2);
const steps = Number(count);
const dataset = points();
// With a small rate 10,000 steps stay in ordinary numbers.
const learner = classifier(1e-3);
const leaked = [];

async function inLoader(from, to) {
  for (let done = from; done < to; ) {
    for await (const batch of loader(dataset)) {
      const loss = step(learner, batch);
      if (mode === 'leak') leaked.push(loss);
      if (++done === to) break;
    }
  }
}

function inTidy(from, to) {
  for (let done = from; done < to; done++)
    tidy(() => void step(learner, dataset.batch(Int32Array.from({ length: 32 }, (_, i) => (done * 32 + i) % 512))));
}

const run = mode === 'tidy' ? inTidy : inLoader;
const first = Math.round(steps / 3);
await run(0, first);
const before = await usage();
getDefaultDevice().resetPeakMemory();
await run(first, steps);
const peak = (await usage()).peakBytes;
const after = await usage();
console.log(JSON.stringify({ before, after, peak }));
