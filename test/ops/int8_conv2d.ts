import { int8Conv2d, int8Conv2dDynamic, type Tensor, tensor, zeros } from 'tilegrad';
import { dynamicLevels } from '../support/dynamic_levels.ts';
import { roundHalfEven } from '../support/floats.ts';
import { defineRows, type InputSpec, type NdArray, ndarray } from '../support/op_rows.ts';

interface Attrs {
  stride?: number | readonly [number, number];
  padding?: number;
  dilation?: number;
  groups?: number;
  xZeroPoint?: boolean;
  weightZeroPoint?: boolean;
  scale?: boolean;
  bias?: boolean;
  dtype?: 'i32' | 'f32' | 'u8' | 'i8';
  outZeroPoint?: number;
}

const optional = ['xZeroPoint', 'weightZeroPoint', 'scale', 'bias'] as const;

function named<T>(rest: readonly T[], attrs: Attrs): Partial<Record<(typeof optional)[number], T>> {
  const names = optional.filter((name) => attrs[name]);
  return Object.fromEntries(names.map((name, i) => [name, rest[i] as T]));
}

const value = (x: NdArray | null | undefined, i: number): number =>
  x ? (x.data[x.data.length === 1 ? 0 : i] as number) : 0;

function reference([x, weight, ...rest]: readonly NdArray[], attrs: Attrs): NdArray {
  if (!x || !weight) throw new Error('x and weight are there');
  const { xZeroPoint, weightZeroPoint, scale, bias } = named(rest, attrs);
  const { stride = 1, padding = 0, dilation = 1, groups = 1, dtype = 'i32', outZeroPoint = 0 } = attrs;
  const [down, right] = typeof stride === 'number' ? [stride, stride] : stride;
  const [n, c, h, w] = x.shape as [number, number, number, number];
  const [k, channels, r, s] = weight.shape as [number, number, number, number];
  const p = Math.floor((h + 2 * padding - dilation * (r - 1) - 1) / down) + 1;
  const q = Math.floor((w + 2 * padding - dilation * (s - 1) - 1) / right) + 1;
  const pixel = (index: number): number => {
    const column = index % q;
    const row = Math.floor(index / q) % p;
    const kernel = Math.floor(index / (q * p)) % k;
    const image = Math.floor(index / (q * p * k));
    const first = Math.floor(kernel / (k / groups)) * channels;
    let sum = 0;
    for (let i = 0; i < channels; i++)
      for (let y = 0; y < r; y++)
        for (let z = 0; z < s; z++) {
          const iy = row * down - padding + y * dilation;
          const ix = column * right - padding + z * dilation;
          if (iy < 0 || ix < 0 || iy >= h || ix >= w) continue;
          const a = (x.data[((image * c + first + i) * h + iy) * w + ix] as number) - value(xZeroPoint, 0);
          const b = (weight.data[((kernel * channels + i) * r + y) * s + z] as number) - value(weightZeroPoint, kernel);
          sum += a * b;
        }
    if (dtype === 'i32') return sum + value(bias, kernel);
    const y = Math.fround(sum) * value(scale, kernel) + value(bias, kernel);
    if (dtype === 'f32') return y;
    const [low, high] = dtype === 'u8' ? [0, 255] : [-128, 127];
    return Math.min(Math.max(roundHalfEven(y) + outZeroPoint, low), high);
  };
  return ndarray([n, k, p, q], pixel, dtype);
}

const u8 = (...shape: number[]): InputSpec => ({ shape, dtype: 'u8', range: [0, 255] });
const i8 = (...shape: number[]): InputSpec => ({ shape, dtype: 'i8', range: [-128, 127] });
const scale: InputSpec = { shape: [], dtype: 'f32', values: [2 ** -9], grad: false };
const xZero: InputSpec = { shape: [], dtype: 'i32', values: [37] };

const convolutions = defineRows<Attrs>({
  name: 'int8_conv2d',
  dtypes: ['i32'],
  family: 'exact',
  differentiable: false,
  call: ([x, weight, ...rest], attrs) => {
    const { stride, padding, dilation, groups, dtype, outZeroPoint } = attrs;
    const settings = { stride, padding, dilation, groups, dtype, outZeroPoint };
    return int8Conv2d(x as Tensor, weight as Tensor, { ...settings, ...named(rest, attrs) });
  },
  reference: (inputs, attrs) => reference(inputs as NdArray[], attrs),
  timed: [{ inputs: [u8(8, 64, 56, 56), i8(64, 64, 3, 3)], attrs: { padding: 1 } }],
  samples: [
    { inputs: [u8(2, 1, 12, 12), i8(6, 1, 5, 5)], attrs: {} },
    { inputs: [u8(1, 6, 9, 11), i8(16, 6, 3, 3), xZero], attrs: { padding: 1, xZeroPoint: true } },
    { inputs: [i8(1, 6, 9, 11), u8(7, 6, 3, 3), xZero], attrs: { padding: 2, stride: 2, xZeroPoint: true } },
    { inputs: [u8(1, 4, 13, 9), i8(6, 2, 3, 3)], attrs: { groups: 2, dilation: 2, padding: 3 } },
    { inputs: [u8(2, 8, 6, 6), i8(8, 1, 3, 3)], attrs: { groups: 8, padding: 1 } },
    {
      inputs: [i8(2, 3, 11, 13), i8(5, 3, 3, 5), xZero],
      attrs: { padding: 2, xZeroPoint: true },
      name: 'signed bytes',
    },
    {
      inputs: [u8(2, 6, 12, 9), i8(17, 6, 3, 3), xZero],
      attrs: { stride: 2, dilation: 2, padding: 1, xZeroPoint: true },
    },
    { inputs: [u8(2, 5, 30, 70), i8(5, 1, 3, 3), xZero], attrs: { groups: 5, padding: 1, xZeroPoint: true } },
    {
      inputs: [i8(1, 3, 11, 37), i8(6, 1, 5, 5), xZero],
      attrs: { groups: 3, stride: 2, padding: 2, xZeroPoint: true },
      name: 'two kernels a channel',
    },
    { inputs: [u8(1, 4, 9, 9), i8(4, 1, 3, 3)], attrs: { groups: 4, dilation: 2, stride: 3, padding: 1 } },
    { inputs: [u8(1, 2, 60, 40), i8(40, 2, 5, 5)], attrs: { padding: 2 }, name: 'blocks of rows' },
    { inputs: [u8(2, 33, 5, 7), i8(12, 33, 1, 1)], attrs: {} },
    { inputs: [u8(2, 10, 7, 11), i8(70, 5, 3, 3), xZero], attrs: { groups: 2, padding: 1, xZeroPoint: true } },
    { inputs: [u8(2, 5, 5, 7), i8(12, 5, 1, 1)], attrs: { stride: 2 } },
    { inputs: [u8(0, 3, 5, 7), i8(12, 3, 1, 1)], attrs: {} },
    { inputs: [u8(2, 70, 9, 11), i8(37, 70, 3, 3), xZero], attrs: { padding: 1, xZeroPoint: true }, name: 'tiles' },
    {
      inputs: [i8(1, 64, 9, 20), i8(17, 64, 3, 3), xZero],
      attrs: { padding: 1, stride: 2, xZeroPoint: true },
      name: 'tiles of phases',
    },
    { inputs: [u8(1, 3, 25, 41), i8(20, 3, 7, 7), xZero], attrs: { padding: 3, stride: 2, xZeroPoint: true } },
    { inputs: [u8(3, 3, 20, 9), i8(7, 3, 3, 4)], attrs: { stride: [2, 1] }, name: 'rows of strides alone' },
    { inputs: [i8(1, 5, 8, 5), i8(3, 5, 4, 4), xZero], attrs: { stride: [3, 1], padding: 1, xZeroPoint: true } },
    { inputs: [u8(1, 20, 8, 9), i8(18, 20, 3, 3)], attrs: { stride: [1, 2], padding: 1 } },
    { inputs: [u8(2, 66, 6, 7), i8(34, 33, 1, 1)], attrs: { groups: 2, stride: 2 } },
    {
      inputs: [u8(1, 3, 8, 8), i8(5, 3, 3, 3), xZero, { shape: [5], dtype: 'i32', range: [-20, 20] }],
      attrs: { padding: 1, xZeroPoint: true, weightZeroPoint: true },
    },
    { inputs: [u8(1, 3, 8, 8), i8(5, 3, 3, 3), scale], attrs: { scale: true, dtype: 'f32' } },
    {
      inputs: [u8(1, 3, 8, 8), i8(5, 3, 3, 3), xZero, scale, { shape: [5], dtype: 'f32', range: [-9, 9], grad: false }],
      attrs: { xZeroPoint: true, scale: true, bias: true, dtype: 'f32' },
    },
    { inputs: [u8(1, 3, 8, 8), i8(5, 3, 3, 3), scale], attrs: { scale: true, dtype: 'u8', outZeroPoint: 90 } },
  ],
  errors: [
    {
      name: 'a zero point that is no byte',
      run: () =>
        int8Conv2d(zeros([1, 1, 3, 3], { dtype: 'u8' }), zeros([1, 1, 2, 2], { dtype: 'i8' }), {
          xZeroPoint: tensor(256, { dtype: 'i32' }),
          padding: 1,
        }),
      code: 'ERR_ARGUMENT',
      message: 'int8_conv2d: x_zero_point 256 does not fit into u8',
    },
  ],
});

/** The largest of each 2 x 2 neighbours in the last two dimensions. */
function largest(x: NdArray): NdArray {
  const [p, q] = x.shape.slice(-2) as [number, number];
  const [rows, cols] = [Math.floor(p / 2), Math.floor(q / 2)];
  return ndarray([...x.shape.slice(0, -2), rows, cols], (i) => {
    const [plane, row, col] = [Math.floor(i / (rows * cols)), Math.floor(i / cols) % rows, i % cols];
    const corner = (plane * p + 2 * row) * q + 2 * col;
    return Math.max(...[0, 1, q, q + 1].map((step) => x.data[corner + step] as number));
  });
}

const dynamic = defineRows<{ padding?: number; stride?: number; groups?: number; relu?: boolean; maxPool?: number }>({
  name: 'int8_conv2d_dynamic',
  covers: ['int8_conv2d_max_pool2d_dynamic'],
  dtypes: ['f32'],
  family: 'elementwise',
  differentiable: false,
  call: ([x, weight, weightScale, bias], attrs) =>
    int8Conv2dDynamic(x as Tensor, weight as Tensor, weightScale as Tensor, bias ?? null, attrs),
  reference: ([x, weight, weightScale, bias], { relu, maxPool, ...attrs }) => {
    const { levels, scale: unit, zero } = dynamicLevels(x as NdArray);
    const quantised = ndarray(x!.shape, (i) => levels[i] as number, 'u8');
    const sums = reference([quantised, weight!, ndarray([], () => zero, 'i32')], { ...attrs, xZeroPoint: true });
    const [, kernels, p, q] = sums.shape as [number, number, number, number];
    const y = ndarray(sums.shape, (i) => {
      const kernel = Math.floor(i / (p * q)) % kernels;
      const factor = Math.fround(value(weightScale, kernel) * unit);
      const sum = Math.fround(Math.fround(sums.data[i] as number) * factor) + value(bias, kernel);
      return relu ? Math.max(sum, 0) : sum;
    });
    return maxPool ? largest(y) : y;
  },
  timed: [
    { inputs: [{ shape: [64, 1, 28, 28] }, i8(6, 1, 5, 5), scale], attrs: {} },
    { inputs: [{ shape: [64, 6, 12, 12] }, i8(16, 6, 5, 5), scale], attrs: {} },
  ],
  samples: [
    { inputs: [{ shape: [2, 1, 12, 12] }, i8(6, 1, 5, 5), scale], attrs: {} },
    {
      inputs: [{ shape: [2, 6, 9, 7] }, i8(16, 6, 3, 3), { shape: [16], range: [0.01, 0.1], grad: false }],
      attrs: { padding: 1, relu: true },
    },
    { inputs: [{ shape: [2, 40, 6, 7] }, i8(5, 40, 3, 3), scale], attrs: { padding: 1, stride: 2 } },
    { inputs: [{ shape: [3, 1, 28, 28] }, i8(6, 1, 5, 5), scale], attrs: { maxPool: 2, relu: true } },
    {
      inputs: [{ shape: [2, 6, 13, 15] }, i8(17, 6, 5, 5), { shape: [17], range: [-0.1, 0.1], grad: false }],
      attrs: { maxPool: 2 },
      name: 'pooled, scales of both signs',
    },
    { inputs: [{ shape: [1, 4, 90, 41] }, i8(6, 2, 3, 3), scale], attrs: { maxPool: 2, padding: 1, groups: 2 } },
    { inputs: [{ shape: [2, 3, 12, 11] }, i8(5, 3, 3, 3), scale], attrs: { maxPool: 2, stride: 2 } },
    {
      inputs: [{ shape: [1, 33, 6, 6] }, i8(3, 33, 3, 3), scale],
      attrs: { maxPool: 2 },
      name: 'many channels, pooled',
    },
  ],
  errors: [
    {
      name: 'weights of floats',
      run: () => int8Conv2dDynamic(zeros([1, 1, 3, 3]), zeros([1, 1, 2, 2]), zeros([])),
      code: 'ERR_DTYPE',
      message: 'int8_conv2d_dynamic: weight must be i8 but is f32',
    },
  ],
});

export default [convolutions, dynamic];
