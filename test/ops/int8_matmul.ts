import { expand, int8LinearDynamic, int8Matmul, type Tensor, zeros } from 'tilegrad';
import { dynamicLevels } from '../support/dynamic_levels.ts';
import { roundHalfEven } from '../support/floats.ts';
import { defineRows, type NdArray, ndarray } from '../support/op_rows.ts';

interface Attrs {
  aZeroPoint?: boolean;
  bZeroPoint?: boolean;
  scale?: boolean;
  bias?: boolean;
  dtype?: 'i32' | 'f32' | 'u8' | 'i8';
  outZeroPoint?: number;
  relu?: boolean;
  /** a is one row, expanded to so many. */
  rows?: number;
}

const optional = ['aZeroPoint', 'bZeroPoint', 'scale', 'bias'] as const;

/** The inputs after a and b, by the names that `attrs` announces. */
function named<T>(rest: readonly T[], attrs: Attrs = {}): Partial<Record<(typeof optional)[number], T>> {
  const names = optional.filter((name) => attrs[name]);
  return Object.fromEntries(names.map((name, i) => [name, rest[i] as T]));
}

const at = (x: NdArray | null | undefined, i: number): number =>
  x ? (x.data[x.data.length === 1 ? 0 : i] as number) : 0;

function reference([given, b, ...rest]: readonly NdArray[], attrs: Attrs = {}): NdArray {
  if (!given || !b) throw new Error('a and b are there');
  const { rows } = attrs;
  const a = rows ? ndarray([rows, given.data.length], (i) => given.data[i % given.data.length]!, 'u8') : given;
  const { aZeroPoint, bZeroPoint, scale, bias } = named(rest, attrs);
  const [m, k] = a.shape.slice(-2) as [number, number];
  const n = b.shape.at(-1) as number;
  const shared = b.shape.length === 2;
  const dtype = attrs.dtype ?? (scale ? 'f32' : 'i32');
  const value = (index: number): number => {
    const j = index % n;
    const row = Math.floor(index / n);
    const matrix = shared ? 0 : Math.floor(row / m);
    let sum = 0;
    for (let p = 0; p < k; p++) {
      const x = (a.data[row * k + p] as number) - at(aZeroPoint, row % m);
      const y = (b.data[(matrix * k + p) * n + j] as number) - at(bZeroPoint, j);
      sum += x * y;
    }
    if (dtype === 'i32') return sum + at(bias, j);
    let y = Math.fround(sum) * at(scale, j) + at(bias, j);
    if (attrs.relu) y = Math.max(y, 0);
    if (dtype === 'f32') return y;
    const [low, high] = dtype === 'u8' ? [0, 255] : [-128, 127];
    return Math.min(Math.max(roundHalfEven(y) + (attrs.outZeroPoint ?? 0), low), high);
  };
  return ndarray([...a.shape.slice(0, -2), m, n], value, dtype);
}

const u8 = (...shape: number[]) => ({ shape, dtype: 'u8', range: [0, 255] }) as const;
const i8 = (...shape: number[]) => ({ shape, dtype: 'i8', range: [-128, 127] }) as const;
const all = (value: number, dtype: 'u8' | 'i8', ...shape: number[]) => {
  const count = shape.reduce((x, y) => x * y, 1);
  return { shape, dtype, values: Array.from({ length: count }, () => value) };
};
const zero = (...shape: number[]) => ({ shape, dtype: 'i32', range: [-128, 255] }) as const;
// A power of two: products with it are exact, so that ties in rounding are met.
const scale = { shape: [], dtype: 'f32', values: [2 ** -9], grad: false } as const;

const products = defineRows<Attrs | undefined>({
  name: 'int8_matmul',
  dtypes: ['i32'],
  family: 'exact',
  differentiable: false,
  call: ([a, b, ...rest], attrs) => {
    const { dtype, outZeroPoint, relu, rows } = attrs ?? {};
    return int8Matmul(rows ? expand(a as Tensor, [rows, -1]) : (a as Tensor), b as Tensor, {
      ...named(rest, attrs),
      dtype,
      outZeroPoint,
      relu,
    });
  },
  reference: (inputs, attrs) => reference(inputs as NdArray[], attrs),
  timed: [{ inputs: [u8(512, 512), i8(512, 512)] }, { inputs: [u8(1024, 1024), i8(1024, 1024)] }],
  samples: [
    { inputs: [u8(1, 1), i8(1, 1)] },
    { inputs: [u8(14, 32), i8(32, 32)] },
    { inputs: [u8(15, 33), i8(33, 33)] },
    { inputs: [u8(31, 127), i8(127, 70)] },
    { inputs: [i8(5, 1030), i8(1030, 9)] },
    { inputs: [u8(29, 513), u8(513, 3)] },
    { inputs: [i8(3, 7), u8(7, 65)] },
    { inputs: [i8(40, 128), i8(128, 70)], name: 'whole tiles and rests' },
    { inputs: [u8(34, 4200), i8(4200, 33)], name: 'sums that wait in memory' },
    {
      inputs: [u8(1, 64), { ...i8(64, 40), range: [-64, 63] }],
      attrs: { rows: 40 },
      name: 'one row, expanded',
    },
    { inputs: [u8(3, 0), i8(0, 4)] },
    { inputs: [u8(0, 3), i8(3, 4)] },
    { inputs: [all(255, 'u8', 3, 4096), all(127, 'i8', 4096, 5)], name: 'pairs that saturate 16 bits above' },
    { inputs: [all(255, 'u8', 3, 4096), all(-128, 'i8', 4096, 5)], name: 'pairs that saturate 16 bits below' },
    { inputs: [all(255, 'u8', 3, 66), all(64, 'i8', 66, 5)], name: 'the largest pairs that fit' },
    { inputs: [all(-128, 'i8', 3, 66), all(-128, 'i8', 66, 5)] },
    { inputs: [u8(9, 20), i8(20, 6), zero(9), zero(6)], attrs: { aZeroPoint: true, bZeroPoint: true } },
    { inputs: [i8(9, 20), u8(20, 6), zero(), zero()], attrs: { aZeroPoint: true, bZeroPoint: true } },
    { inputs: [u8(9, 20), i8(20, 6), { shape: [6], dtype: 'i32' }], attrs: { bias: true } },
    { inputs: [u8(2, 3, 9, 20), i8(2, 3, 20, 6)] },
    { inputs: [u8(2, 3, 9, 20), i8(20, 6)] },
    { inputs: [u8(9, 20), i8(20, 6), scale], attrs: { scale: true, dtype: 'f32' } },
    { inputs: [u8(9, 20), i8(20, 6), scale], attrs: { scale: true, dtype: 'f32', relu: true } },
    { inputs: [u8(40, 20), i8(20, 36), scale], attrs: { scale: true, dtype: 'u8', outZeroPoint: 100 } },
    { inputs: [u8(40, 20), i8(20, 36), scale], attrs: { scale: true, dtype: 'i8', outZeroPoint: -3, relu: true } },
  ],
});

const dynamic = defineRows<{ bias?: boolean; relu?: boolean } | undefined>({
  name: 'int8_linear_dynamic',
  dtypes: ['f32'],
  family: 'elementwise',
  differentiable: false,
  call: ([x, weight, weightScale, bias], attrs) =>
    int8LinearDynamic(x as Tensor, weight as Tensor, weightScale as Tensor, bias ?? null, { relu: attrs?.relu }),
  reference: ([x, weight, weightScale, bias], attrs) => {
    const { levels, scale, zero: xZero } = dynamicLevels(x as NdArray);
    const [n, k] = weight!.shape as [number, number];
    return ndarray([...x!.shape.slice(0, -1), n], (index) => {
      const [row, j] = [Math.floor(index / n), index % n];
      let sum = 0;
      for (let p = 0; p < k; p++)
        sum += ((levels[row * k + p] as number) - xZero) * (weight!.data[j * k + p] as number);
      const y = Math.fround(Math.fround(sum) * Math.fround(at(weightScale, j) * scale)) + at(bias, j);
      return attrs?.relu ? Math.max(y, 0) : y;
    });
  },
  timed: [{ inputs: [{ shape: [64, 256] }, i8(120, 256), { shape: [], values: [2 ** -7], grad: false }] }],
  samples: [
    { inputs: [{ shape: [3, 40] }, i8(17, 40), { shape: [], values: [2 ** -7], grad: false }] },
    {
      inputs: [{ shape: [2, 5, 33] }, i8(20, 33), { shape: [20], range: [0.01, 0.1], grad: false }],
      attrs: { relu: true },
    },
    { inputs: [{ shape: [0, 33] }, i8(20, 33), { shape: [], values: [0.5], grad: false }] },
    { inputs: [{ shape: [300, 70] }, i8(9, 70), { shape: [], values: [2 ** -6], grad: false }] },
  ],
  errors: [
    {
      name: 'features',
      run: () => int8LinearDynamic(zeros([2, 3]), zeros([4, 5], { dtype: 'i8' }), zeros([])),
      code: 'ERR_SHAPE',
      message: 'int8_linear_dynamic: weight expects 5 features but x has shape [2, 3] (weight [4, 5])',
    },
  ],
});

export default [products, dynamic];
