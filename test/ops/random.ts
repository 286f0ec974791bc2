import {
  bernoulli,
  type DType,
  dropout,
  Generator,
  normal,
  rand,
  randint,
  randintLike,
  randLike,
  randn,
  randnLike,
  randperm,
  type Shape,
  tensor,
  uniform,
} from 'tilegrad';
import { roundTo } from '../support/floats.ts';
import { defineRows, type NdArray, ndarray } from '../support/op_rows.ts';
import { Words } from '../support/philox.ts';

const floats = ['f32', 'f64', 'f16', 'bf16'] as const;
/** The input only says the dtype and the device. */
const like = { shape: [1], grad: false } as const;
const shapes: Shape[] = [[], [1], [15], [16], [64], [3, 43], [0], [2, 0, 3], [5, 411]];

// A key of two words and a counter beyond 32 bits.
const seed = 0x9876543210abcdefn;
const offset = 2 ** 40;
const generator = () => new Generator().setState({ seed: String(seed), offset });
const words = () => new Words(seed, offset);
const dtypeOf = (x: NdArray | null | undefined) => x!.dtype as DType;

/** A number of [0, 1) as the kernels draw it in the dtype. */
function unit(dtype: DType, from: Words, i: number): number {
  if (dtype === 'f64') {
    const [low, high] = from.pair(i);
    return ((high >>> 5) * 2 ** 26 + (low >>> 6)) * 2 ** -53;
  }
  const bits = dtype === 'f16' ? 11 : dtype === 'bf16' ? 8 : 24;
  return (from.word(i) >>> (32 - bits)) * 2 ** -bits;
}

/** The normal number at i in f64 arithmetic, of words that stand for f32 or f64 values. */
function normalAt(dtype: DType, from: Words, i: number): number {
  const wide = dtype === 'f64';
  const place = i % 32;
  const second = place >= 16;
  const group = i - place;
  let u: number;
  let turns: number;
  if (wide) {
    const four = from.block(group / 2 + (place % 16)) as [number, number, number, number];
    u = ((four[1] >>> 5) * 2 ** 26 + (four[0] >>> 6)) * 2 ** -53 + 2 ** -53;
    turns = (four[3] * 2 ** 26 + (four[2] >>> 6)) * 2 ** -58;
  } else {
    u = Math.fround(Math.fround(Math.fround(from.word(group + (place % 16)) >>> 1) * 2 ** -31) + 2 ** -32);
    turns = from.word(group + 16 + (place % 16)) * 2 ** -32;
  }
  // Small angles from the next quarter, where sine and cosine are exact.
  const quarter = Math.floor(turns * 4 + 0.5);
  const f = (turns * 4 - quarter) * (Math.PI / 2);
  const [s, c] = [Math.sin(f), Math.cos(f)];
  const value = second ? [s, c, -s, -c][quarter % 4]! : [c, -s, -c, s][quarter % 4]!;
  return Math.sqrt(-2 * Math.log(u)) * value;
}

const threshold = (p: number) => Math.floor(p * 2 ** 32);

/** floor(word * range / 2^bits). */
function below(from: Words, i: number, range: number): number {
  const narrow = range <= 2 ** 16 || (range <= 2 ** 32 && Number.isInteger(Math.log2(range)));
  if (narrow) return Number((BigInt(from.word(i)) * BigInt(range)) >> 32n);
  const [low, high] = from.pair(i);
  return Number((((BigInt(high) << 32n) | BigInt(low)) * BigInt(range)) >> 64n);
}

export default [
  defineRows<{ shape: Shape; low: number; high: number }>({
    name: 'uniform',
    dtypes: floats,
    family: 'exact',
    differentiable: false,
    call: ([x], { shape, low, high }) =>
      uniform(shape, low, high, { dtype: x!.dtype, device: x!.device, generator: generator() }),
    reference: ([x], attrs) => {
      const dtype = dtypeOf(x);
      const round = (value: number) => (dtype === 'f64' ? value : Math.fround(value));
      const [low, high] = [roundTo(dtype, attrs.low), roundTo(dtype, attrs.high)];
      const from = words();
      return ndarray(attrs.shape, (i) => {
        const value = roundTo(dtype, round(round(unit(dtype, from, i) * round(high - low)) + low));
        if (value >= high && low < high) throw new Error('the sample reaches the end that is left out; take another');
        return value;
      });
    },
    samples: [
      ...shapes.map((shape) => ({ inputs: [like], attrs: { shape, low: 0, high: 1 } })),
      { inputs: [like], attrs: { shape: [100], low: -3, high: 7 } },
      { inputs: [like], attrs: { shape: [5], low: 2, high: 2 } },
    ],
    errors: [
      {
        name: 'bounds in the wrong order',
        run: () => uniform([2], 1, 0),
        code: 'ERR_ARGUMENT',
        message: 'uniform: expects low <= high with a finite difference in f32 but got 1 and 0',
      },
      {
        name: 'an infinite range',
        run: () => uniform([2], -3e38, 3e38),
        code: 'ERR_ARGUMENT',
        message: 'finite difference in f32',
      },
      {
        name: 'whole numbers',
        run: () => rand([2], { dtype: 'i32' }),
        code: 'ERR_DTYPE',
        message: 'uniform: dtype must be a floating-point one but is i32',
      },
      { name: 'a negative size', run: () => rand([-1]), code: 'ERR_SHAPE', message: 'uniform: ' },
      {
        name: 'a generator that is none',
        run: () => rand([2], { generator: 5 as unknown as Generator }),
        code: 'ERR_ARGUMENT',
        message: 'uniform: generator must be a Generator but is number',
      },
    ],
  }),
  defineRows<{ shape: Shape; mean: number; std: number }>({
    name: 'normal',
    dtypes: floats,
    family: 'accumulating',
    differentiable: false,
    call: ([x], { shape, mean, std }) =>
      normal(shape, mean, std, { dtype: x!.dtype, device: x!.device, generator: generator() }),
    reference: ([x], { shape, mean, std }, round) => {
      const from = words();
      return ndarray(shape, (i) => round(round(normalAt(dtypeOf(x), from, i) * std) + mean));
    },
    samples: [
      ...shapes.map((shape) => ({ inputs: [like], attrs: { shape, mean: 0, std: 1 } })),
      { inputs: [like], attrs: { shape: [100], mean: 3, std: 0.5 } },
      { inputs: [like], attrs: { shape: [5], mean: -2, std: 0 } },
    ],
    errors: [
      {
        name: 'a negative deviation',
        run: () => normal([2], 0, -1),
        code: 'ERR_ARGUMENT',
        message: 'normal: std must not be negative but is -1',
      },
      { name: 'whole numbers', run: () => randn([2], { dtype: 'u8' }), code: 'ERR_DTYPE', message: 'normal: dtype' },
    ],
  }),
  defineRows<{ shape: Shape; p: number }>({
    name: 'bernoulli',
    dtypes: ['f32', 'f64', 'f16', 'bf16', 'i64', 'i32', 'i8', 'u8', 'bool'],
    family: 'exact',
    differentiable: false,
    call: ([x], { shape, p }) => bernoulli(p, shape, { dtype: x!.dtype, device: x!.device, generator: generator() }),
    reference: (_, { shape, p }) => {
      const from = words();
      return ndarray(shape, (i) => Number(from.word(i) < threshold(p)));
    },
    samples: [...shapes.map((shape) => ({ shape, p: 0.3 })), { shape: [70], p: 0 }, { shape: [70], p: 1 }].map(
      (attrs) => ({ inputs: [like], attrs }),
    ),
    errors: [
      {
        name: 'a chance above 1',
        run: () => bernoulli(1.5, [2]),
        code: 'ERR_ARGUMENT',
        message: 'bernoulli: p must be in [0, 1] but is 1.5',
      },
      {
        name: 'an element that is no chance',
        run: () => bernoulli(tensor([0.5, Number.NaN])),
        code: 'ERR_ARGUMENT',
        message: 'bernoulli: chances must be in [0, 1] but one is nan',
      },
      {
        name: 'chances that are whole numbers',
        run: () => bernoulli(tensor([1], { dtype: 'i32' })),
        code: 'ERR_DTYPE',
        message: 'bernoulli: the tensor of chances must be a floating-point tensor but is i32',
      },
    ],
  }),
  defineRows({
    name: 'bernoulli',
    title: 'bernoulli of a tensor',
    dtypes: floats,
    family: 'exact',
    differentiable: false,
    call: ([p]) => bernoulli(p!, { generator: generator() }),
    reference: ([p]) => {
      const from = words();
      return ndarray(p!.shape, (i) => Number((from.word(i) >>> 8) * 2 ** -24 < p!.data[i]!));
    },
    samples: [...shapes, [2, 3, 40]].map((shape) => ({ inputs: [{ shape, range: [0, 1], grad: false }] })),
  }),
  defineRows<{ shape: Shape; low: number; high: number }>({
    name: 'randint',
    dtypes: ['i64', 'i32', 'i8', 'u8', 'bool', 'f32', 'f64', 'f16', 'bf16'],
    family: 'exact',
    differentiable: false,
    call: ([x], { shape, low, high }) =>
      randint(low, high, shape, { dtype: x!.dtype, device: x!.device, generator: generator() }),
    reference: (_, { shape, low, high }) => {
      const from = words();
      return ndarray(shape, (i) => low + below(from, i, high - low));
    },
    samples: [
      ...shapes.map((shape) => ({ inputs: [like], attrs: { shape, low: 0, high: 2 } })),
      { inputs: [like], attrs: { shape: [300], low: -128, high: 128 }, dtypes: ['i64', 'i32', 'i8', 'f32', 'f64'] },
      { inputs: [like], attrs: { shape: [300], low: -5, high: 70000 }, dtypes: ['i64', 'i32', 'f32', 'f64'] },
      { inputs: [like], attrs: { shape: [100], low: -(2 ** 31), high: 2 ** 31 }, dtypes: ['i64', 'i32', 'f64'] },
      { inputs: [like], attrs: { shape: [100], low: -(2 ** 50), high: 2 ** 52 + 1 }, dtypes: ['i64', 'f64'] },
    ],
    errors: [
      {
        name: 'an empty range',
        run: () => randint(3, 3, [2]),
        code: 'ERR_ARGUMENT',
        message: 'randint: expects low < high but got 3 and 3',
      },
      {
        name: 'numbers that do not fit',
        run: () => randint(0, 257, [2], { dtype: 'u8' }),
        code: 'ERR_ARGUMENT',
        message: 'randint: numbers from 0 to 256 do not fit into u8',
      },
      { name: 'a fraction', run: () => randint(0, 1.5, [2]), code: 'ERR_ARGUMENT', message: 'randint: high' },
    ],
  }),
  defineRows<number>({
    name: 'randperm',
    dtypes: ['i64', 'i32'],
    family: 'exact',
    differentiable: false,
    call: ([x], n) => randperm(n, { dtype: x!.dtype as 'i64', device: x!.device, generator: generator() }),
    reference: (_, n) => {
      const from = words();
      const bits = BigInt(Math.max(1, Math.ceil(Math.log2(n))));
      const key = (i: number) => {
        const block = from.block(Math.floor(i / 2)).slice(2 * (i % 2)) as [number, number];
        return ((((BigInt(block[1]) << 32n) | BigInt(block[0])) >> bits) << bits) | BigInt(i);
      };
      const keys = Array.from({ length: n }, (_, i) => key(i)).sort((a, b) => (a < b ? -1 : 1));
      return ndarray([n], (i) => Number(keys[i]! & ((1n << bits) - 1n)));
    },
    samples: [0, 1, 2, 7, 64, 1000, 2048, 5000].map((n) => ({ inputs: [like], attrs: n })),
    errors: [
      {
        name: 'a negative number',
        run: () => randperm(-1),
        code: 'ERR_ARGUMENT',
        message: 'randperm: n must be in [0, 2^31) but is -1',
      },
      {
        name: 'a float dtype',
        run: () => randperm(3, { dtype: 'f32' }),
        code: 'ERR_DTYPE',
        message: 'randperm: dtype must be i64 or i32 but is f32',
      },
    ],
  }),
  defineRows<number>({
    name: 'dropout',
    dtypes: floats,
    family: 'elementwise',
    call: ([x], p) => dropout(x!, p, { generator: generator() }),
    reference: ([x], p) => {
      const from = words();
      const scale = p < 1 ? 1 / (1 - p) : 0;
      return ndarray(x!.shape, (i) => x!.data[i]! * (from.word(i) < threshold(p) ? 0 : scale));
    },
    samples: [
      ...shapes.map((shape) => ({ inputs: [{ shape }], attrs: 0.5 })),
      ...[0, 0.1, 0.9, 1].map((p) => ({ inputs: [{ shape: [3, 27] }], attrs: p })),
    ],
    errors: [
      {
        name: 'a chance above 1',
        run: () => dropout(tensor([1]), 1.1),
        code: 'ERR_ARGUMENT',
        message: 'dropout: p must be in [0, 1] but is 1.1',
      },
      {
        name: 'whole numbers',
        run: () => dropout(tensor([1], { dtype: 'i32' })),
        code: 'ERR_DTYPE',
        message: 'dropout: input must be a floating-point tensor but is i32',
      },
    ],
  }),
  defineRows({
    name: 'randLike',
    dtypes: floats,
    family: 'accumulating',
    differentiable: false,
    call: ([x]) => [randLike, randnLike].map((of) => of(x!, { generator: generator() })),
    reference: ([x]) => {
      const from = words();
      const { shape } = x!;
      return [ndarray(shape, (i) => unit(dtypeOf(x), from, i)), ndarray(shape, (i) => normalAt(dtypeOf(x), from, i))];
    },
    samples: [{ inputs: [{ shape: [3, 50], grad: false }] }],
  }),
  defineRows({
    name: 'randintLike',
    dtypes: ['i32', 'u8', 'f64'],
    family: 'exact',
    differentiable: false,
    call: ([x]) => randintLike(x!, 3, 9, { generator: generator() }),
    reference: ([x]) => {
      const from = words();
      return ndarray(x!.shape, (i) => 3 + below(from, i, 6));
    },
    samples: [{ inputs: [{ shape: [3, 50], grad: false }] }],
  }),
];
