// A script may be cut off in any call, by a `timeout` of node:vm or by Ctrl-C in the REPL: the process goes on, and nothing that
// the script had set for a synchronous stretch stays set.
import { expect, test } from 'vitest';
import { runProgram } from './support/child.ts';

test('scripts that are cut off in the middle of calls leave the library as it was', async () => {
  const { ended, stdout, stderr } = await runProgram('interrupted.mjs', [], { nodeArgs: ['--expose-gc'] });
  expect({ ended, stderr }).toEqual({ ended: 0, stderr: '' });
  const { liveTensors, ...found } = JSON.parse(stdout);
  expect(found).toEqual({
    cut: 200,
    withoutGrad: 0,
    sums: 1800,
    inner: [
      [2, 3, 4],
      [3, 4, 5],
    ],
  });
  // What the very call that was cut off had made is lost: far from all that the 200 scripts made.
  expect(liveTensors).toBeLessThan(200);
});
