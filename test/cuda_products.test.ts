// Matrix products of the sizes that go to the large tiles of the tensor cores, against the CPU's on the same numbers.
import { afterEach, describe, expect, test } from 'vitest';
import {
  cudaIsAvailable,
  type DeviceName,
  type DType,
  int8Matmul,
  matmul,
  semiStructuredCompress,
  semiStructuredLinear,
  setFloat32MatmulPrecision,
  type Tensor,
  tensor,
} from '../lib/index.ts';

afterEach(() => setFloat32MatmulPrecision('highest'));

/** Bytes with both ends of their range. */
const bytes = (n: number, seed: number, least: number) => {
  let state = seed;
  return Array.from({ length: n }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return least + ((state >>> 8) % 256);
  });
};

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
    // Clusters of two blocks, of which the second may be beyond the last row.
    { a: [8, 300, 72], b: [72, 1100] },
  ];
  const kinds = [
    { dtype: 'bf16', precision: 'highest' },
    { dtype: 'f16', precision: 'highest' },
    { dtype: 'f32', precision: 'high' },
    { dtype: 'f32', precision: 'medium' },
  ] as const;
  // Few tiles whose depth is split.
  const deep = { a: [512, 2050], b: [2050, 508], bTransposed: true, dtype: 'bf16', precision: 'highest' } as const;
  const all: (Case & (typeof kinds)[number])[] = cases.flatMap((c) => kinds.map((kind) => ({ ...c, ...kind })));
  test.for([...all, { ...deep, a: [...deep.a], b: [...deep.b] }])(
    '$dtype at $precision, $a ($aTransposed) by $b ($bTransposed)',
    async ({ dtype, precision, ...c }) => {
      setFloat32MatmulPrecision(precision);
      const expected = await product(c, 'cpu', dtype);
      const given = await product(c, 'cuda', dtype);
      expect(given.length).toBe(expected.length);
      // Sums of exact products are exact in f32, whatever their order; then both round once.
      const wrong = given.findIndex((value, i) => value !== expected[i]);
      expect(wrong === -1 ? 'equal' : `${given[wrong]} instead of ${expected[wrong]} at ${wrong}`).toBe('equal');
    },
  );
});

describe.skipIf(!cudaIsAvailable())('large products of 2:4 weights on CUDA', () => {
  const sizes = [
    { m: 776, n: 780, k: 512 }, // more steps than stages; rows of y that do not start on 16 bytes
    { m: 776, n: 776, k: 512 },
    { m: 1800, n: 1032, k: 128 }, // clusters
  ];
  test.for(sizes.flatMap((size) => (['bf16', 'f16'] as const).map((dtype) => ({ ...size, dtype }))))(
    '$dtype $m x $n x $k',
    async ({ m, n, k, dtype }) => {
      const [expected, given] = await Promise.all(
        (['cpu', 'cuda'] as const).map(async (where) => {
          const [kept, indices] = semiStructuredCompress(operand([n, k], false, 3, where, dtype));
          const bias = operand([n], false, 4, where, dtype);
          const x = operand([m, k], false, 5, where, dtype);
          return (await semiStructuredLinear(x, kept, indices, bias).cast('f32').data()) as Float32Array;
        }),
      );
      const wrong = given!.findIndex((value, i) => value !== expected![i]);
      expect(wrong === -1 ? 'equal' : `${given![wrong]} instead of ${expected![wrong]} at ${wrong}`).toBe('equal');
    },
  );
});

describe.skipIf(!cudaIsAvailable())('large products of bytes on CUDA', () => {
  const signs = (['u8', 'i8'] as const).flatMap((a) => (['u8', 'i8'] as const).map((b) => ({ a, b })));
  const shapes = [
    { m: 760, n: 1850, k: 144, batch: [] as number[] },
    { m: 130, n: 300, k: 131, batch: [12] },
    { m: 260, n: 520, k: 160, batch: [12] }, // clusters
  ];
  test.for(shapes.flatMap((shape) => signs.map((sign) => ({ ...shape, ...sign }))))(
    '$a by $b, $batch of $m x $n x $k',
    async ({ m, n, k, batch, a, b }) => {
      const count = batch[0] ?? 1;
      const results = (['cpu', 'cuda'] as const).map((where) => {
        const make = (dtype: 'u8' | 'i8', shape: number[], seed: number) => {
          const numel = shape.reduce((x, y) => x * y, 1);
          return tensor(bytes(numel, seed, dtype === 'u8' ? 0 : -128), { dtype, device: where }).reshape(shape);
        };
        const whole = (values: number[]) => tensor(values, { dtype: 'i32', device: where });
        const [left, right] = [make(a, [...batch, m, k], 3), make(b, [...(count > 1 ? [1] : []), k, n], 4)];
        return [
          int8Matmul(left, right),
          int8Matmul(left, right, { aZeroPoint: whole([a === 'u8' ? 120 : -3]), bZeroPoint: whole([5]) }),
        ];
      });
      const raw = async (x: Tensor) => Buffer.from(((await x.data()) as Int32Array).buffer);
      for (const [i, expected] of results[0]!.entries())
        expect((await raw(results[1]![i]!)).equals(await raw(expected))).toBe(true);
    },
  );
});
