// setFloat32MatmulPrecision: its names, and on CUDA what it does to products and convolutions.
import { afterEach, describe, expect, test } from 'vitest';
import {
  conv2d,
  cudaIsAvailable,
  type DeviceName,
  type Float32MatmulPrecision,
  getFloat32MatmulPrecision,
  linear,
  matmul,
  setFloat32MatmulPrecision,
  type Tensor,
  tensor,
} from '../lib/index.ts';

afterEach(() => setFloat32MatmulPrecision('highest'));

test('starts at highest and takes three names', () => {
  expect(getFloat32MatmulPrecision()).toBe('highest');
  for (const precision of ['medium', 'high', 'highest'] as const) {
    setFloat32MatmulPrecision(precision);
    expect(getFloat32MatmulPrecision()).toBe(precision);
  }
  expect(() => setFloat32MatmulPrecision('low' as Float32MatmulPrecision)).toThrow(
    expect.objectContaining({
      code: 'ERR_ARGUMENT',
      message: "setFloat32MatmulPrecision: precision must be one of 'highest', 'high', 'medium' but is 'low'",
    }),
  );
});

/** Numbers in [-1, 1] without a pattern, which need all bits of f32. */
const values = (n: number, seed: number) =>
  Array.from({ length: n }, (_, i) => ((Math.sin((i + 1) * 12.9898 + seed) * 43758.5453) % 1) as number);

/** What product and convolution give, with their gradients. */
async function results(device: DeviceName): Promise<number[][]> {
  const make = (shape: number[], seed: number): Tensor =>
    tensor(
      values(
        shape.reduce((a, b) => a * b),
        seed,
      ),
      { device },
    )
      .reshape(shape)
      .requiresGrad_();
  const inputs = [
    make([37, 70], 1),
    make([70, 41], 2),
    make([20, 41], 3),
    make([2, 8, 9, 9], 4),
    make([12, 8, 3, 3], 5),
  ];
  const [a, b, w, x, k] = inputs as [Tensor, Tensor, Tensor, Tensor, Tensor];
  const outputs = [linear(matmul(a, b), w), conv2d(x, k, { padding: 1, stride: 2 })];
  for (const y of outputs) y.square().sum().backward();
  const all = [...outputs, ...inputs.map((input) => input.grad as Tensor)];
  return Promise.all(all.map(async (t) => Array.from((await t.data()) as Float32Array)));
}

/** The largest difference, as a part of the largest value. */
function difference(a: readonly number[], b: readonly number[]): number {
  const largest = Math.max(...b.map(Math.abs));
  return Math.max(...a.map((value, i) => Math.abs(value - (b[i] as number)))) / largest;
}

describe.skipIf(!cudaIsAvailable())('on CUDA', () => {
  test("'highest' is f32, 'high' nearly, 'medium' is tf32, and a repeat gives the same bits", async () => {
    const exact = await results('cpu');
    const highest = await results('cuda');
    setFloat32MatmulPrecision('high');
    const high = await results('cuda');
    expect(await results('cuda')).toEqual(high);
    setFloat32MatmulPrecision('medium');
    const medium = await results('cuda');
    expect(await results('cuda')).toEqual(medium);
    for (const [i, reference] of exact.entries()) {
      expect(difference(highest[i]!, reference)).toBeLessThan(3e-6);
      expect(difference(high[i]!, reference)).toBeLessThan(3e-6);
      expect(difference(medium[i]!, reference)).toBeLessThan(5e-3);
      expect(difference(medium[i]!, reference)).toBeGreaterThan(1e-5);
    }
    expect(high).not.toEqual(highest);
  });

  // Sizes of the small tiles of mma.sync, of the large ones, and of wgmma with TMA, where the device has it.
  test.for([
    [40, 50, 300],
    [1500, 1100, 40],
    [776, 780, 104],
  ])("the error of 'high' against f64, %i x %i x %i", async ([m, n, k]) => {
    const [a, b] = [values(m! * k!, 1).map(Math.fround), values(k! * n!, 2).map(Math.fround)];
    const errors: Record<string, number> = {};
    for (const precision of ['highest', 'high', 'medium'] as const) {
      setFloat32MatmulPrecision(precision);
      const product = matmul(
        tensor(a, { device: 'cuda' }).reshape([m!, k!]),
        tensor(b, { device: 'cuda' }).reshape([k!, n!]),
      );
      const c = (await product.data()) as Float32Array;
      errors[precision] = 0;
      for (let i = 0; i < m!; i += 37) {
        for (let j = 0; j < n!; j++) {
          let [sum, size] = [0, 0];
          for (let s = 0; s < k!; s++) {
            const term = a[i * k! + s]! * b[s * n! + j]!;
            sum += term;
            size += Math.abs(term);
          }
          const error = Math.abs(c[i * n! + j]! - sum) / size;
          if (!(error <= errors[precision])) errors[precision] = error;
        }
      }
    }
    // 2^-23 is half a unit in the last place of f32; the rounding of a sum depends on its length.
    expect(errors.highest).toBeLessThan(5e-7);
    expect(errors.high).toBeLessThan(5e-7);
    expect(errors.medium).toBeGreaterThan(2e-5);
    expect(errors.medium).toBeLessThan(1e-3);
  });
});
