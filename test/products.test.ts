// Products of the sizes that the CPU takes different paths for, beyond those of the generated tests: B streamed in parts
// of k or in strips, dots with rows of weights, rows of A unpacked, and whole blocks.
import {
  concat,
  type DType,
  full,
  getNumThreads,
  linear,
  manualSeed,
  matmul,
  narrow,
  rand,
  randn,
  semiStructuredCompress,
  semiStructuredDense,
  semiStructuredLinear,
  setNumThreads,
  type Tensor,
  tidy,
  transpose,
} from 'tilegrad';
import { afterAll, describe, expect, test } from 'vitest';

interface Product {
  path: string;
  size: [m: number, k: number, n: number];
  transposed?: 'a' | 'b';
}

const products: Product[] = [
  { path: 'one row, in parts of k', size: [1, 2050, 300] },
  { path: 'few rows, in parts of k', size: [3, 301, 4100] },
  { path: 'one row, dots', size: [1, 517, 83], transposed: 'b' },
  { path: 'two vectors, dots of parts of k', size: [1, 70001, 1] },
  { path: 'two long vectors', size: [1, 2 ** 22 + 301, 1] },
  { path: 'few rows, dots of parts of k', size: [3, 40001, 5], transposed: 'b' },
  { path: 'few long rows, dots', size: [2, 2 ** 22 + 37, 2], transposed: 'b' },
  { path: 'few long rows, streamed', size: [2, 2 ** 22 + 37, 3] },
  { path: 'tiles of bf16 in parts of k', size: [17, 2 ** 18 + 70, 18] },
  { path: 'some rows, dots', size: [7, 1031, 300], transposed: 'b' },
  { path: 'some rows, strips', size: [9, 301, 1030] },
  { path: 'rows as they lie', size: [67, 300, 100] },
  { path: 'chunks of rows as they lie', size: [300, 517, 70] },
  { path: 'A transposed', size: [130, 300, 50], transposed: 'a' },
  { path: 'B transposed', size: [130, 300, 50], transposed: 'b' },
  { path: 'blocks of rows', size: [520, 1100, 50] },
];

/** How far a rounded result may lie off, relative to itself. */
const rounding: Partial<Record<DType, number>> = { f64: 0, f32: 0, bf16: 2 ** -8, f16: 2 ** -11 };

function operands({ size: [m, k, n], transposed }: Product, dtype: DType): [a: Tensor, b: Tensor] {
  manualSeed(5);
  const drawn = (rows: number, columns: number) => randn([rows, columns], { dtype, device: 'cpu' });
  return [
    transposed === 'a' ? transpose(drawn(k, m)) : drawn(m, k),
    transposed === 'b' ? transpose(drawn(n, k)) : drawn(k, n),
  ];
}

const values = (x: Tensor): Float64Array => Float64Array.from(x.to('f64').dataSync() as Float64Array);

/** Row by row in f64: k is the middle loop, so that B is read along its rows. */
function reference(a: Float64Array, b: Float64Array, [m, k, n]: Product['size']): Float64Array {
  const c = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let p = 0; p < k; p++) {
      const factor = a[i * k + p] as number;
      for (let j = 0; j < n; j++) (c[i * n + j] as number) += factor * (b[p * n + j] as number);
    }
  }
  return c;
}

const threads = getNumThreads();
afterAll(() => setNumThreads(threads));

describe.each(products)('$path', (product) => {
  test.each(['f32', 'f64', 'bf16', 'f16'] as const)('%s', (dtype) => {
    const [a, b] = operands(product, dtype);
    const expected = reference(values(a), values(b), product.size);
    // Few long sums of drawn values may all be small beside what they pass on the way.
    const largest = expected.reduce((most, y) => Math.max(most, Math.abs(y)), Math.sqrt(product.size[1]));
    const sums = largest * (dtype === 'f64' ? 1e-14 : 2e-6) * Math.max(1, Math.sqrt(product.size[1]) / 50);
    const wrong = values(matmul(a, b)).findIndex((y, i) => {
      const wanted = expected[i] as number;
      return !(Math.abs(y - wanted) <= sums + Math.abs(wanted) * (rounding[dtype] as number));
    });
    expect(wrong).toBe(-1);
  });

  test('same bits at any number of threads', () => {
    const [a, b] = operands(product, 'f32');
    const [first, ...others] = [1, 2, 5].map((count) => {
      setNumThreads(count);
      return matmul(a, b).dataSync();
    });
    for (const other of others) expect(other).toEqual(first);
  });
});

// Rows of B are read in whole vectors, beyond their ends too.
test.each([
  [20, 40, 21],
  [67, 300, 100],
  [300, 517, 70],
])('what lies beside the rows of B stays out of the product: %dx%dx%d', (m, k, n) => {
  manualSeed(5);
  const [a, b] = [randn([m, k], { device: 'cpu' }), randn([k, n], { device: 'cpu' })];
  const wide = concat([b, full([k, 20], Number.NaN, { device: 'cpu' })], 1);
  expect(matmul(a, narrow(wide, 1, 0, n)).dataSync()).toEqual(matmul(a, b).dataSync());
});

// More than 2^24 results: rows, batches, or both are computed in parts.
describe.each([
  ['f16', 2 ** -11],
  ['bf16', 2 ** -8],
] as const)('large results of %s', (dtype, rounding) => {
  const drawn = (...shape: number[]): Tensor => rand(shape, { dtype, device: 'cpu' }).sub(0.5);

  function expectRounded(product: (...inputs: Tensor[]) => Tensor, ...inputs: Tensor[]): void {
    const wide = product(...inputs.map((x) => x.cast('f32')));
    const off = product(...inputs)
      .cast('f32')
      .sub(wide)
      .abs();
    expect(off.sub(wide.abs().mul(rounding)).max().itemSync()).toBeLessThan(1e-5);
  }

  test.each([
    ['rows', [4300, 20], [20, 4100]],
    ['batches of rows', [3, 4300, 20], [20, 4100]],
    ['batches', [50, 600, 9], [50, 9, 601]],
    ['a broadcast batch', [1, 600, 9], [7, 9, 4100]],
  ])('%s', (_, a, b) => tidy(() => expectRounded(matmul, drawn(...a), drawn(...b))));

  test('with bias, residual and activation', () => {
    const affine = (x: Tensor, weight: Tensor, bias: Tensor, residual: Tensor) =>
      linear(x, weight, bias, { residual: transpose(residual), activation: 'relu' });
    tidy(() => expectRounded(affine, drawn(4300, 20), drawn(4100, 20), drawn(4100), drawn(4100, 4300)));
  });

  test('of 2:4 weights', () => {
    tidy(() => {
      const [values, indices] = semiStructuredCompress(drawn(64, 64));
      const dense = semiStructuredDense(values, indices);
      const [x, bias] = [drawn(140_000, 64), drawn(64)];
      const wide = linear(x.cast('f32'), dense.cast('f32'), bias.cast('f32'));
      const off = semiStructuredLinear(x, values, indices, bias).cast('f32').sub(wide).abs();
      expect(off.sub(wide.abs().mul(rounding)).max().itemSync()).toBeLessThan(1e-5);
    });
  });
});
