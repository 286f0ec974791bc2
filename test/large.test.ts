// Tensors with more elements than 32 bits count, and sums of more terms than an f32 counts.
import { freemem } from 'node:os';
import { describe, expect, test } from 'vitest';
import { runProgram, unmeasurable } from './support/child.ts';

const gib = 2 ** 30;

describe.each([
  ['softmax', 'the shares of 2^25 equal rows', 4, [1, 1]],
  ['softmaxGradient', 'the gradient of the shares of 2^25 equal rows', 6, [0, 0]],
  ['dot', 'the product of two vectors of 2^29 ones', 3, [2 ** 29]],
  ['cdist', 'distances of 2^25 places, and to as many rows', 2, [2 ** 25, 2 ** 25]],
  ['conv2d', '16-bit images and their gradients, of 0.8 GB each', 5, [4, 1, 1, true]],
  ['pad', 'a padded row of more than 2^31 bytes', 8, [7, 7, 0, 0, 7, 7]],
])('%s', (name, what, needs, expected) => {
  const short = unmeasurable || (freemem() < needs * gib && `needs ${needs} GiB of free memory`);
  test.skipIf(short)(`${what}${short ? `: ${short}` : ''}`, { timeout: 90_000 }, async () => {
    const { ended, stdout, stderr } = await runProgram('large.mjs', [name], { timeout: 80_000 });
    expect({ ended, stderr }).toEqual({ ended: 0, stderr: '' });
    expect(JSON.parse(stdout)).toEqual(expected);
  });
});
