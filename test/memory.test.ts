// Training keeps memory flat: 10,000 steps in a plain loop over a DataLoader, and in a synchronous loop of tidy().
import { freemem } from 'node:os';
import { beforeAll, describe, expect, test } from 'vitest';
import { runProgram, unmeasurable } from './support/child.ts';

interface Usage {
  liveBytes: number;
  liveTensors: number;
  rss: number;
}
interface Soak {
  before: Usage;
  after: Usage;
  /** Most live bytes of the steps between the two. */
  peak: number;
}

async function soak(mode: string, steps: number): Promise<Soak> {
  const { ended, stdout, stderr } = await runProgram('soak.mjs', [mode, String(steps)], { nodeArgs: ['--expose-gc'] });
  expect({ ended, stderr }).toEqual({ ended: 0, stderr: '' });
  return JSON.parse(stdout) as Soak;
}

describe.skipIf(unmeasurable)(`training${unmeasurable ? `: ${unmeasurable}` : ''}`, () => {
  describe.each([
    // What a plain loop drops waits for garbage collection, which must come before some megabytes have gathered.
    ['for await over a DataLoader', 'loader', 16 << 20],
    ['a synchronous loop of tidy()', 'tidy', 64 << 10],
  ])('%s', (_, mode, most) => {
    let run: Soak;
    beforeAll(async () => {
      run = await soak(mode, 10_000);
    });
    test('leaves no tensor behind', () => {
      expect(run.after.liveTensors).toBe(run.before.liveTensors);
      expect(run.after.liveBytes).toBe(run.before.liveBytes);
    });
    test('never holds much more than the model', () => expect(run.peak).toBeLessThan(most));
    // V8's own heap still grows a little while it settles.
    test('keeps resident memory flat', () => expect(run.after.rss - run.before.rss).toBeLessThan(40 << 20));
  });

  test('the measure sees a program that keeps every loss', async () => {
    const { before, after } = await soak('leak', 600);
    expect(after.liveTensors - before.liveTensors).toBe(400);
    expect(after.liveBytes).toBeGreaterThan(before.liveBytes);
  });
});

// The tensor, its copy on the way and what JavaScript gets; on less the system would end other programs.
const short = unmeasurable || (freemem() < 16 * 2 ** 30 && 'needs 16 GiB of free memory');

test.skipIf(short)(`a read of more than 4 GiB arrives${short ? `: ${short}` : ''}`, { timeout: 180_000 }, async () => {
  const { ended, stdout, stderr } = await runProgram('large_read.mjs', [], { timeout: 170_000 });
  expect({ ended, stderr }).toEqual({ ended: 0, stderr: '' });
  expect(JSON.parse(stdout)).toEqual({ length: 2 ** 30 + 1000, last: 3 });
});
