// Convolutions of f16 and bf16 widen their images group by group: beside those of the same values in f32.
import { conv2d, type DType, getNumThreads, grad, manualSeed, rand, setNumThreads, type Tensor, tidy } from 'tilegrad';
import { afterEach, describe, expect, test } from 'vitest';

const threads = getNumThreads();
afterEach(() => setNumThreads(threads));

type Case = readonly [n: number, c: number, size: number, k: number, kernel: number, groups: number];

// 2^24 elements of images and results make a group.
const cases: readonly Case[] = [
  [19, 8, 256, 8, 3, 1],
  [14, 1, 512, 4, 5, 1],
];

interface Results {
  y: Tensor;
  dx: Tensor;
  dweight: Tensor;
}

function results([n, c, size, k, kernel, groups]: Case, dtype: DType, computed: DType): Results {
  manualSeed(n);
  const drawn = (shape: number[], scale: number): Tensor =>
    rand(shape, { device: 'cpu' }).sub(0.5).mul(scale).cast(dtype).cast(computed);
  const x = drawn([n, c, size, size], 2);
  const weight = drawn([k, c / groups, kernel, kernel], 0.25);
  const [bias, residual, dy] = [drawn([k], 2), drawn([n, k, size, size], 2), drawn([n, k, size, size], 2 ** -6)];
  const options = { padding: (kernel - 1) / 2, groups };
  const y = conv2d(x, weight, { ...options, bias, residual, activation: 'relu' });
  for (const input of [x, weight]) input.requiresGrad = true;
  const [dx, dweight] = grad(conv2d(x, weight, options).mul(dy).sum(), [x, weight]) as [Tensor, Tensor];
  return { y, dx, dweight };
}

describe.each(cases)('images %i x %i x %i, filters %i x %i, %i groups', (...shape) => {
  test.each([
    ['f16', 2 ** -11],
    ['bf16', 2 ** -8],
  ] as const)('%s', (dtype, rounding) => {
    tidy(() => {
      const [narrow, wide] = [results(shape, dtype, dtype), results(shape, dtype, 'f32')];
      for (const name of ['y', 'dx', 'dweight'] as const) {
        const size = wide[name].abs();
        const allowed = size.mul(rounding).add(size.max().mul(2e-5));
        const beyond = narrow[name].cast('f32').sub(wide[name]).abs().sub(allowed).max().itemSync();
        expect([name, beyond <= 0]).toEqual([name, true]);
      }
    });
  });
});

test('same bits at any number of threads', () => {
  tidy(() => {
    const [first, ...others] = [1, 2, 5].map((count) => {
      setNumThreads(count);
      return results(cases[0] as Case, 'f16', 'f16');
    });
    for (const other of others) {
      for (const name of ['y', 'dx', 'dweight'] as const)
        expect([
          name,
          other[name]
            .eq((first as Results)[name])
            .all()
            .itemSync(),
        ]).toEqual([name, 1]);
    }
  });
});
