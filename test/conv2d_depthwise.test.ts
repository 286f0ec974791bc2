// Depthwise convolutions by planes, beside one convolution for each channel in full.
import { concat, conv2d, getNumThreads, grad, manualSeed, randn, relu, setNumThreads, type Tensor } from 'tilegrad';
import { afterEach, describe, expect, test } from 'vitest';

const threads = getNumThreads();
afterEach(() => setNumThreads(threads));

type Dtype = 'f32' | 'f64';
interface Case {
  x: [n: number, c: number, h: number, w: number];
  kernel: number;
  stride: number;
  padding: number | [top: number, bottom: number, left: number, right: number];
}

// Narrower and wider than a vector, odd sides under a stride, padding of the kernel's size and none, planes smaller than kernels.
const cases: readonly Case[] = [
  { x: [3, 5, 7, 7], kernel: 3, stride: 1, padding: 1 },
  { x: [2, 4, 14, 15], kernel: 3, stride: 2, padding: 1 },
  { x: [2, 3, 9, 37], kernel: 3, stride: 1, padding: [0, 2, 2, 1] },
  { x: [2, 3, 13, 70], kernel: 3, stride: 2, padding: [1, 0, 0, 1] },
  { x: [2, 3, 16, 16], kernel: 5, stride: 1, padding: 2 },
  { x: [2, 3, 15, 41], kernel: 5, stride: 2, padding: [4, 1, 3, 0] },
  { x: [2, 2, 12, 18], kernel: 7, stride: 1, padding: 3 },
  { x: [2, 2, 11, 12], kernel: 7, stride: 2, padding: [0, 0, 0, 0] },
  { x: [1, 3, 2, 1], kernel: 5, stride: 2, padding: 4 },
];

function inputs({ x, kernel }: Case, dtype: Dtype): [x: Tensor, weight: Tensor] {
  manualSeed(kernel);
  const normal = (shape: readonly number[]): Tensor => randn(shape, { dtype, device: 'cpu' });
  const made: [Tensor, Tensor] = [normal(x), normal([x[1], 1, kernel, kernel])];
  for (const input of made) input.requiresGrad = true;
  return made;
}

/** Channel by channel, with a second channel of zeros, so that it is no depthwise convolution. */
function channels(x: Tensor, weight: Tensor, { stride, padding }: Case): Tensor {
  const parts = Array.from({ length: weight.shape[0] as number }, (_, i) => {
    const plane = x.narrow(1, i, 1);
    const kernel = weight.narrow(0, i, 1);
    return conv2d(concat([plane, plane.mul(0)], 1), concat([kernel, kernel], 1), { stride, padding });
  });
  return concat(parts, 1);
}

function expectClose(actual: Tensor, expected: Tensor, dtype: Dtype): void {
  const [a, b] = [actual.dataSync(), expected.dataSync()] as [Float32Array, Float32Array];
  expect(actual.shape).toEqual(expected.shape);
  const largest = b.reduce((most, y) => Math.max(most, Math.abs(y)), 0);
  const error = b.reduce((most, y, i) => Math.max(most, Math.abs(y - (a[i] as number))), 0);
  expect(error).toBeLessThan((dtype === 'f32' ? 5e-6 : 1e-14) * largest);
}

describe.each(['f32', 'f64'] as const)('depthwise conv2d, %s', (dtype) => {
  test.each(cases)('$x, kernel $kernel, stride $stride, padding $padding', (given) => {
    const [x, weight] = inputs(given, dtype);
    const settings = { stride: given.stride, padding: given.padding, groups: given.x[1] };
    const y = conv2d(x, weight, settings);
    const reference = channels(x, weight, given);
    expectClose(y, reference, dtype);
    const other = randn(y.shape, { dtype, device: 'cpu' });
    const found = grad(y.mul(other).sum(), [x, weight]) as Tensor[];
    const wanted = grad(reference.mul(other).sum(), [x, weight]) as Tensor[];
    for (const [i, gradient] of found.entries()) expectClose(gradient, wanted[i] as Tensor, dtype);
    const bias = randn([given.x[1]], { dtype, device: 'cpu' });
    const sum = reference.add(bias.reshape([1, -1, 1, 1])).add(other);
    expectClose(conv2d(x, weight, { ...settings, bias, residual: other, activation: 'relu' }), relu(sum), dtype);
  });
});

test('the same bits at any number of threads', () => {
  const [x, weight] = inputs({ x: [4, 200, 14, 14], kernel: 3, stride: 2, padding: 1 }, 'f32');
  const all = [1, 2, 3].map((count) => {
    setNumThreads(count);
    const y = conv2d(x, weight, { stride: 2, padding: 1, groups: 200 });
    return [y, ...(grad(y.mul(y).sum(), [x, weight]) as Tensor[])].map((t) => t.dataSync().slice());
  });
  expect(all[1]).toEqual(all[0]);
  expect(all[2]).toEqual(all[0]);
});
