// Matrix products of the sizes that go to the large tiles of the tensor cores, against the CPU's on the same numbers.
import { afterEach, describe, expect, test } from 'vitest';
import {
  cudaIsAvailable,
  type DeviceName,
  type DType,
  matmul,
  setFloat32MatmulPrecision,
  type Tensor,
  tensor,
} from '../lib/index.ts';

afterEach(() => setFloat32MatmulPrecision('highest'));

/** Multiples of 1/16 in [-1, 1): exact in every format, and so are their products in f32. */
const values = (n: number, seed: number) => {
  let state = seed;
  return Float32Array.from({ length: n }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return ((state >>> 8) % 32) / 16 - 1;
  });
};

interface Case {
  a: number[];
  b: number[];
  /** Kept the other way round in memory. */
  aTransposed?: boolean;
  bTransposed?: boolean;
}

function operand(shape: number[], transposed: boolean, seed: number, device: DeviceName, dtype: DType): Tensor {
  const stored = transposed ? [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!] : shape;
  const numel = shape.reduce((x, y) => x * y, 1);
  const x = tensor(values(numel, seed), { device }).cast(dtype).reshape(stored);
  return transposed ? x.transpose(-1, -2) : x;
}

async function product(c: Case, device: DeviceName, dtype: DType): Promise<Float32Array> {
  const a = operand(c.a, c.aTransposed ?? false, 1, device, dtype);
  const b = operand(c.b, c.bTransposed ?? false, 2, device, dtype);
  return (await matmul(a, b).cast('f32').data()) as Float32Array;
}

const layouts = [false, true].flatMap((aTransposed) =>
  [false, true].map((bTransposed) => ({ aTransposed, bTransposed })),
);

describe.skipIf(!cudaIsAvailable())('large products on CUDA', () => {
  const cases: Case[] = [
    ...layouts.map((layout) => ({ a: [776, 104], b: [104, 784], ...layout })),
    // Rows that do not start on 16 bytes; batches, of which one matrix is shared; tiles of 256 columns.
    { a: [773, 75], b: [75, 771] },
    { a: [773, 75], b: [75, 771], aTransposed: true, bTransposed: true },
    { a: [50, 72, 64], b: [64, 88] },
    { a: [25, 1, 80, 72], b: [2, 72, 40], aTransposed: true },
    { a: [132, 96, 64], b: [132, 64, 136], bTransposed: true },
  ];
  test.for(cases.flatMap((c) => (['bf16', 'f16', 'f32'] as const).map((dtype) => ({ ...c, dtype }))))(
    '$dtype $a ($aTransposed) by $b ($bTransposed)',
    async ({ dtype, ...c }) => {
      setFloat32MatmulPrecision('high');
      const expected = await product(c, 'cpu', dtype);
      const given = await product(c, 'cuda', dtype);
      expect(given.length).toBe(expected.length);
      // Sums of exact products are exact in f32, whatever their order; then both round once.
      const wrong = given.findIndex((value, i) => value !== expected[i]);
      expect(wrong === -1 ? 'equal' : `${given[wrong]} instead of ${expected[wrong]} at ${wrong}`).toBe('equal');
    },
  );
});
