// The gradients of a convolution under pooling, which f32 on the CPU computes by the one place of each window that has
// a gradient, against those of the layers one by one in f64.
import { conv2d, getNumThreads, maxPool2d, relu, setNumThreads, type Tensor, tensor } from 'tilegrad';
import { describe, expect, test } from 'vitest';

type Options = Parameters<typeof conv2d>[2];

function numbers(count: number, seed: number): number[] {
  return Array.from({ length: count }, (_, i) => Math.fround(Math.sin(seed + i * (i % 7 === 3 ? 12.9 : 78.233)) * 2));
}

const size = (shape: readonly number[]): number => shape.reduce((n, d) => n * d, 1);

/** Gradients of input, kernels and bias. */
function gradients(
  shapes: readonly (readonly number[])[],
  options: Options,
  dtype: 'f32' | 'f64',
  spoilt: Readonly<Record<number, number>> = {},
): number[][] {
  const leaves = shapes.map((shape, i) =>
    tensor(numbers(size(shape), i), { dtype, device: 'cpu' })
      .reshape(shape)
      .requiresGrad_(),
  );
  const [x, weight, bias] = leaves as [Tensor, Tensor, Tensor];
  const y =
    dtype === 'f32'
      ? conv2d(x, weight, { ...options, bias, activation: 'relu', maxPool: 2 })
      : maxPool2d(relu(conv2d(x, weight, { ...options, bias })), 2);
  const dy = numbers(y.numel, 5).map((value, i) => spoilt[i] ?? value);
  y.backward(tensor(dy, { dtype, device: 'cpu' }).reshape(y.shape));
  return leaves.map(({ grad }) => Array.from((grad as Tensor).dataSync() as Float64Array));
}

const cases: Record<string, [x: number[], weight: number[], options?: Options]> = {
  'the first layer of LeNet-5': [
    [19, 1, 28, 28],
    [6, 1, 5, 5],
  ],
  'its second layer': [
    [19, 6, 12, 12],
    [16, 6, 5, 5],
  ],
  'padding and rows without a window': [[3, 3, 13, 11], [7, 3, 5, 5], { padding: [2, 1] }],
  'other padding at each side': [[2, 2, 9, 8], [3, 2, 4, 5], { padding: [0, 1, 3, 2] }],
  groups: [[2, 4, 9, 10], [6, 2, 3, 2], { groups: 2, padding: [1, 0] }],
  'one channel a group': [[3, 5, 9, 9], [5, 1, 4, 4], { groups: 5 }],
  strides: [[3, 2, 17, 15], [4, 2, 4, 3], { stride: [2, 1] }],
  'a stride beyond the kernel': [[2, 2, 14, 13], [3, 2, 2, 2], { stride: 3 }],
  'one tap': [
    [2, 3, 5, 7],
    [4, 3, 1, 1],
  ],
  'long rows of taps': [
    [2, 2, 6, 40],
    [3, 2, 2, 19],
  ],
  'many channels': [[4, 20, 10, 9], [9, 20, 5, 5], { padding: [1, 2] }],
  'a dilation, which is spread': [[2, 2, 14, 12], [3, 2, 3, 4], { dilation: 2 }],
  'an image beyond the cache, which is spread': [
    [1, 5, 130, 130],
    [2, 5, 5, 5],
  ],
};

describe('gradients of a convolution under pooling', () => {
  test.each(Object.entries(cases))('%s', (_, [x, weight, options = {}]) => {
    const shapes = [x, weight, [weight[0] as number]];
    const found = gradients(shapes, options, 'f32');
    const expected = gradients(shapes, options, 'f64');
    for (const [i, gradient] of found.entries()) {
      const values = expected[i] as number[];
      const largest = Math.max(...values.map(Math.abs));
      expect(largest).toBeGreaterThan(0);
      const worst = Math.max(...gradient.map((value, j) => Math.abs(value - (values[j] as number))));
      expect(worst / largest).toBeLessThan(1e-5);
    }
  });

  test('an infinite gradient reaches the places under its kernel alone', () => {
    const shapes = [[2, 3, 12, 12], [4, 3, 5, 5], [4]];
    const [found] = gradients(shapes, {}, 'f32', { 5: Number.POSITIVE_INFINITY });
    const [plain] = gradients(shapes, {}, 'f32');
    const spread = found?.filter((value) => !Number.isFinite(value)).length ?? 0;
    expect([0, 75]).toContain(spread);
    expect(found?.slice(3 * 144)).toEqual(plain?.slice(3 * 144));
    const [other] = gradients(shapes, {}, 'f32', Object.fromEntries([...Array(64).keys()].map((i) => [i, Infinity])));
    expect(other?.filter((value) => !Number.isFinite(value)).length).toBeGreaterThan(75);
  });

  test('the same bits at any number of threads', () => {
    const before = getNumThreads();
    const run = (threads: number) => {
      setNumThreads(threads);
      return gradients([[37, 6, 12, 12], [16, 6, 5, 5], [16]], {}, 'f32');
    };
    try {
      expect(run(3)).toEqual(run(1));
    } finally {
      setNumThreads(before);
    }
  });
});
