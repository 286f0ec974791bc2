import { type AvgPool2dOptions, adaptiveAvgPool2d, avgPool2d, type PoolPair, type Tensor, zeros } from 'tilegrad';
import { defineRows, type NdArray, ndarray } from '../support/op_rows.ts';

interface Window {
  begin: number;
  end: number;
  size: number;
}

/** The mean of every rectangle rows[p] x cols[q] of each plane. */
function means(x: NdArray, rows: Window[], cols: Window[], round: (x: number) => number, divisor?: number | null) {
  const [h, w] = x.shape.slice(-2) as [number, number];
  return ndarray([...x.shape.slice(0, -2), rows.length, cols.length], (i) => {
    const plane = Math.floor(i / (rows.length * cols.length)) * h * w;
    const r = rows[Math.floor(i / cols.length) % rows.length] as Window;
    const c = cols[i % cols.length] as Window;
    let total = 0;
    for (let a = r.begin; a < r.end; a++)
      for (let b = c.begin; b < c.end; b++) total = round(total + (x.data[plane + a * w + b] as number));
    return round(total / (divisor ?? r.size * c.size));
  });
}

interface Call {
  kernel: PoolPair;
  options?: AvgPool2dOptions;
}

const pair = (value: PoolPair): readonly [number, number] => (typeof value === 'number' ? [value, value] : value);

function windows(size: number, side: 0 | 1, { kernel, options = {} }: Call): Window[] {
  const span = pair(kernel)[side];
  const stride = pair(options.stride ?? kernel)[side];
  const padding = options.padding ?? 0;
  const [near, far] =
    typeof padding === 'object' && padding.length === 4
      ? (padding.slice(2 * side, 2 * side + 2) as [number, number])
      : [pair(padding)[side], pair(padding)[side]];
  const found: Window[] = [];
  for (let begin = -near; ; begin += stride) {
    const over = begin + span > size + far;
    if (over && (!options.ceilMode || begin >= size || begin + span - stride >= size + far)) return found;
    const inside = { begin: Math.max(begin, 0), end: Math.min(begin + span, size) };
    const counted = Math.min(begin + span, size + far) - begin;
    found.push({ ...inside, size: (options.countIncludePad ?? true) ? counted : inside.end - inside.begin });
  }
}

const image = (...shape: number[]) => [{ shape }];
const dtypes = ['f32', 'f64', 'f16', 'bf16'] as const;

const avgPool2dRows = defineRows<Call>({
  name: 'avg_pool2d',
  covers: ['avg_pool2d_input_grad'],
  dtypes,
  family: 'accumulating',
  call: ([x], { kernel, options }) => avgPool2d(x as Tensor, kernel, options),
  reference: ([x], attrs, round) => {
    const [h, w] = (x as NdArray).shape.slice(-2) as [number, number];
    return means(x as NdArray, windows(h, 0, attrs), windows(w, 1, attrs), round, attrs.options?.divisorOverride);
  },
  samples: [
    { inputs: image(2, 3, 8, 8), attrs: { kernel: 2 } },
    { inputs: image(1, 2, 9, 27), attrs: { kernel: 2 } },
    { inputs: image(3, 5, 6), attrs: { kernel: [2, 3] } },
    { inputs: image(1, 1, 7, 40), attrs: { kernel: 3, options: { stride: 2, padding: 1 } } },
    { inputs: image(1, 2, 7, 23), attrs: { kernel: 3, options: { stride: 1, padding: 1, countIncludePad: false } } },
    { inputs: image(1, 2, 7, 8), attrs: { kernel: [2, 3], options: { stride: [1, 3], ceilMode: true } } },
    { inputs: image(1, 2, 7, 8), attrs: { kernel: 3, options: { stride: 2, padding: 1, ceilMode: true } } },
    { inputs: image(2, 2, 1, 13), attrs: { kernel: 3, options: { stride: 3, ceilMode: true } } },
    {
      inputs: image(1, 2, 5, 1),
      attrs: { kernel: [2, 4], options: { stride: [2, 3], padding: [0, 1], ceilMode: true, countIncludePad: false } },
    },
    { inputs: image(1, 1, 5, 6), attrs: { kernel: 3, options: { padding: [1, 0, 2, 1], stride: 2 } } },
    { inputs: image(1, 1, 9, 33), attrs: { kernel: [4, 18], options: { stride: 3, divisorOverride: 5 } } },
    { inputs: image(0, 3, 4, 4), attrs: { kernel: 2 } },
    { inputs: image(64, 6, 24, 24), attrs: { kernel: 2 }, dtypes: ['f32'], bench: true },
    {
      inputs: image(8, 64, 56, 56),
      attrs: { kernel: 3, options: { padding: 1, stride: 1 } },
      dtypes: ['f32'],
      bench: true,
    },
  ],
  errors: [
    {
      name: 'a window larger than the image',
      run: () => avgPool2d(zeros([1, 1, 4, 4]), [2, 5]),
      code: 'ERR_SHAPE',
      message: 'avg_pool2d: the window spans 5 columns but the padded input has 4 (input [1, 1, 4, 4])',
    },
    {
      name: 'a divisor of zero',
      run: () => avgPool2d(zeros([1, 1, 4, 4]), 2, { divisorOverride: 0 }),
      code: 'ERR_ARGUMENT',
      message: 'avg_pool2d: divisorOverride must not be 0',
    },
    {
      name: 'integers',
      run: () => avgPool2d(zeros([1, 1, 4, 4], { dtype: 'i64' }), 2),
      code: 'ERR_DTYPE',
      message: 'avg_pool2d: input must be a floating-point tensor but is i64',
    },
  ],
});

const cells = (size: number, count: number): Window[] =>
  Array.from({ length: count }, (_, i) => {
    const begin = Math.floor((i * size) / count);
    const end = Math.ceil(((i + 1) * size) / count);
    return { begin, end, size: end - begin };
  });

const adaptiveRows = defineRows<[number, number]>({
  name: 'adaptive_avg_pool2d',
  covers: ['adaptive_avg_pool2d_input_grad'],
  dtypes,
  family: 'accumulating',
  call: ([x], size) => adaptiveAvgPool2d(x as Tensor, size),
  reference: ([x], [p, q], round) => {
    const [h, w] = (x as NdArray).shape.slice(-2) as [number, number];
    return means(x as NdArray, cells(h, p), cells(w, q), round);
  },
  samples: [
    { inputs: image(2, 3, 7, 9), attrs: [1, 1] },
    { inputs: image(2, 3, 8, 12), attrs: [4, 6] },
    { inputs: image(1, 2, 10, 37), attrs: [3, 5] },
    { inputs: image(1, 2, 3, 4), attrs: [5, 7] },
    { inputs: image(2, 6, 40), attrs: [6, 20] },
    { inputs: image(0, 3, 4, 4), attrs: [2, 2] },
    { inputs: image(32, 512, 7, 7), attrs: [1, 1], dtypes: ['f32'], bench: true },
  ],
  errors: [
    {
      name: 'no size',
      run: () => adaptiveAvgPool2d(zeros([1, 1, 4, 4]), 0),
      code: 'ERR_ARGUMENT',
      message: 'adaptive_avg_pool2d: size must be from 1 to',
    },
    {
      name: 'an empty image',
      run: () => adaptiveAvgPool2d(zeros([1, 1, 0, 4]), 2),
      code: 'ERR_SHAPE',
      message: 'adaptive_avg_pool2d: input must have from 1 to',
    },
  ],
});

export default [avgPool2dRows, adaptiveRows];
