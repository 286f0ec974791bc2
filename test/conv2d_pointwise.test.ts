// Kernels of 1 x 1 over many pixels are computed as products of matrices: beside matmul, values and gradients.
import {
  clamp,
  conv2d,
  getNumThreads,
  grad,
  manualSeed,
  matmul,
  randn,
  relu,
  setNumThreads,
  type Tensor,
} from 'tilegrad';
import { afterEach, describe, expect, test } from 'vitest';

const threads = getNumThreads();
afterEach(() => setNumThreads(threads));

type Dtype = 'f32' | 'f64';
type Case = readonly [n: number, c: number, h: number, w: number, k: number, groups: number];

// Tiles of columns within an image, across two and across many; one that is not filled; groups; few and many channels;
// images of one pixel; few weights, and more of them than are read where they lie.
const cases: readonly Case[] = [
  [3, 40, 17, 16, 36, 1],
  [17, 33, 7, 7, 50, 1],
  [70, 32, 3, 5, 32, 1],
  [1, 300, 28, 29, 40, 1],
  [4, 80, 15, 15, 96, 2],
  [2, 64, 56, 56, 64, 1],
  [19, 48, 1, 1, 70, 2],
  [5, 160, 20, 17, 66, 2],
  [2, 13, 17, 16, 12, 1],
  [3, 48, 29, 15, 30, 2],
  [1, 300, 28, 29, 25, 1],
  [2, 200, 16, 15, 180, 1],
];

function inputs([n, c, h, w, k, groups]: Case, dtype: Dtype): [x: Tensor, weight: Tensor, bias: Tensor, y: Tensor] {
  manualSeed(n + c);
  const normal = (shape: number[]): Tensor => randn(shape, { dtype, device: 'cpu' });
  return [normal([n, c, h, w]), normal([k, c / groups, 1, 1]), normal([k]), normal([n, k, h, w])];
}

/** The convolution by matmul, group by group. */
function products(x: Tensor, weight: Tensor, [n, c, h, w, k, groups]: Case): Tensor {
  const planes = x.reshape([n, groups, c / groups, h * w]);
  const kernels = weight.reshape([groups, k / groups, c / groups]);
  return matmul(kernels, planes).reshape([n, k, h, w]);
}

/** Beside the largest of `sums`, whose rounding the values have. */
function expectClose(actual: Tensor, expected: Tensor, dtype: Dtype, sums = expected): void {
  const [a, b] = [actual.dataSync(), expected.dataSync()] as [Float32Array, Float32Array];
  const largest = (sums.dataSync() as Float32Array).reduce((most, y) => Math.max(most, Math.abs(y)), 0);
  const error = b.reduce((most, y, i) => Math.max(most, Math.abs(y - (a[i] as number))), 0);
  expect(error).toBeLessThan((dtype === 'f32' ? 2e-6 : 1e-14) * largest);
}

describe.each(['f32', 'f64'] as const)('conv2d of 1 x 1, %s', (dtype) => {
  test.each(cases)('as matmul: %i images of %i channels, %i x %i, to %i in %i groups', (...given) => {
    const [x, weight, bias, other] = inputs(given, dtype);
    for (const input of [x, weight]) input.requiresGrad = true;
    const groups = given[5];
    const y = conv2d(x, weight, { groups });
    const reference = products(x, weight, given);
    expectClose(y, reference, dtype);
    const found = grad(y.mul(other).sum(), [x, weight]) as Tensor[];
    const wanted = grad(reference.mul(other).sum(), [x, weight]) as Tensor[];
    for (const [i, gradient] of found.entries()) expectClose(gradient, wanted[i] as Tensor, dtype);

    const sum = reference.add(bias.reshape([1, -1, 1, 1]));
    expectClose(conv2d(x, weight, { groups, bias, activation: 'relu' }), relu(sum), dtype);
    const bounded = clamp(sum.add(other), 0, 6);
    expectClose(conv2d(x, weight, { groups, bias, residual: other, activation: 'relu6' }), bounded, dtype, sum);
  });
});

// The sums of parts of the images are added in the second and third; the third turns the weight's gradient.
test.each([cases[1] as Case, [6, 48, 20, 20, 40, 1], [7, 96, 20, 20, 40, 1], [2, 24, 60, 61, 36, 1]])(
  '%i images: the same bits at any number of threads',
  (...given) => {
    const [x, weight, , dy] = inputs(given as Case, 'f32');
    for (const input of [x, weight]) input.requiresGrad = true;
    const all = [1, 2, 3].map((count) => {
      setNumThreads(count);
      const y = conv2d(x, weight);
      return [y, ...(grad(y.mul(dy).sum(), [x, weight]) as Tensor[])].map((t) => t.dataSync().slice());
    });
    expect(all[1]).toEqual(all[0]);
    expect(all[2]).toEqual(all[0]);
  },
);
