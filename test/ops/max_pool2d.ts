import { adaptiveMaxPool2d, type MaxPool2dOptions, maxPool2d, type PoolPair, tensor, zeros } from 'tilegrad';
import { defineRows, type NdArray, ndarray } from '../support/op_rows.ts';

interface Call {
  kernel: PoolPair;
  options?: MaxPool2dOptions & { returnIndices?: boolean };
}

const pair = (value: PoolPair): readonly [number, number] => (typeof value === 'number' ? [value, value] : value);

/** Positions (row, column) of each window inside the image, window by window in row-major order. */
function windows([h, w]: readonly [number, number], { kernel, options = {} }: Call): [number, number][][] {
  const [r, s] = pair(kernel);
  const [sh, sw] = pair(options.stride ?? kernel);
  const padding = options.padding ?? 0;
  const four = (a: number, b: number): [number, number, number, number] => [a, a, b, b];
  const [top, bottom, left, right] =
    typeof padding === 'number' ? four(padding, padding) : padding.length === 4 ? padding : four(...padding);
  const [dh, dw] = pair(options.dilation ?? 1);
  const count = (size: number, near: number, far: number, span: number, stride: number): number => {
    const steps = (size + near + far - span) / stride;
    const n = (options.ceilMode ? Math.ceil(steps) : Math.floor(steps)) + 1;
    return options.ceilMode && (n - 1) * stride >= size + near ? n - 1 : n;
  };
  const p = count(h, top, bottom, dh * (r - 1) + 1, sh);
  const q = count(w, left, right, dw * (s - 1) + 1, sw);
  const all: [number, number][][] = Array.from({ length: p * q }, (_, i) => {
    const inside: [number, number][] = [];
    for (let a = 0; a < r; a++)
      for (let b = 0; b < s; b++) {
        const row = Math.floor(i / q) * sh - top + a * dh;
        const col = (i % q) * sw - left + b * dw;
        if (row >= 0 && row < h && col >= 0 && col < w) inside.push([row, col]);
      }
    return inside;
  });
  return Object.assign(all, { p, q });
}

function reference(x: NdArray, call: Call): NdArray[] {
  const [h, w] = x.shape.slice(-2) as [number, number];
  const found = windows([h, w], call) as [number, number][][] & { p: number; q: number };
  const shape = [...x.shape.slice(0, -2), found.p, found.q];
  const winner = (i: number): number => {
    const base = Math.floor(i / found.length) * h * w;
    let best = -1;
    for (const [row, col] of found[i % found.length] as [number, number][]) {
      const value = x.data[base + row * w + col] as number;
      if (best < 0 || value > (x.data[base + best] as number) || Number.isNaN(value)) best = row * w + col;
    }
    return best;
  };
  const values = ndarray(shape, (i) => x.data[Math.floor(i / found.length) * h * w + winner(i)] as number);
  return call.options?.returnIndices ? [values, ndarray(shape, winner, 'i64')] : [values];
}

const image = (...shape: number[]) => [{ shape, distinct: true }];

const maxRows = defineRows<Call>({
  name: 'max_pool2d',
  covers: ['max_pool2d_input_grad', 'max_pool2d_pick'],
  dtypes: ['f32', 'f64', 'f16', 'bf16'],
  family: 'exact',
  call: ([x], { kernel, options }) =>
    maxPool2d(x as NonNullable<typeof x>, kernel, options as { returnIndices?: false }),
  reference: ([x], attrs) => reference(x as NdArray, attrs),
  samples: [
    { inputs: image(2, 3, 8, 8), attrs: { kernel: 2 } },
    { inputs: image(1, 2, 9, 27), attrs: { kernel: 2 } },
    { inputs: image(3, 5, 6), attrs: { kernel: 2, options: { returnIndices: true } } },
    { inputs: image(1, 1, 7, 40), attrs: { kernel: 3, options: { stride: 2, padding: 1 } } },
    { inputs: image(1, 2, 7, 23), attrs: { kernel: 3, options: { stride: 1, padding: 1, returnIndices: true } } },
    { inputs: image(1, 2, 7, 8), attrs: { kernel: [2, 3], options: { stride: [1, 3], ceilMode: true } } },
    { inputs: image(1, 1, 9, 9), attrs: { kernel: [3, 2], options: { dilation: [2, 3], padding: [1, 0] } } },
    { inputs: image(1, 1, 5, 6), attrs: { kernel: 3, options: { padding: [1, 0, 2, 1], stride: 2 } } },
    { inputs: image(1, 1, 5, 5), attrs: { kernel: 2, options: { stride: 3, padding: 1, ceilMode: true } } },
    { inputs: image(2, 2, 1, 13), attrs: { kernel: 3, options: { stride: 3, ceilMode: true } } },
    {
      inputs: image(1, 2, 8, 2),
      attrs: { kernel: [2, 4], options: { stride: [3, 2], padding: [0, 1], dilation: [3, 1], ceilMode: true } },
    },
    { inputs: image(1, 1, 20, 18), attrs: { kernel: [17, 16], options: { returnIndices: true, stride: 1 } } },
    { inputs: [{ shape: [1, 2, 67, 130], grad: false }], attrs: { kernel: 5, options: { stride: 1, padding: 2 } } },
    { inputs: [{ shape: [2, 7, 7], grad: false }], attrs: { kernel: 13, options: { stride: 1, padding: 6 } } },
    {
      inputs: [{ shape: [1, 50, 31], grad: false }],
      attrs: { kernel: [3, 4], options: { stride: 3, dilation: [5, 2] } },
    },
    { inputs: [{ shape: [1, 100, 41], grad: false }], attrs: { kernel: 3, options: { stride: 2, padding: [1, 0] } } },
    {
      name: 'NaN and zeros of both signs in windows that overlap',
      inputs: [
        {
          shape: [2, 4, 5],
          values: Array.from({ length: 40 }, (_, i) => (i < 20 ? (i % 2 ? 0 : -0) : i === 27 ? NaN : i)),
        },
      ],
      attrs: { kernel: 3, options: { stride: 1, padding: 1 } },
      smooth: false,
    },
    { inputs: image(0, 3, 4, 4), attrs: { kernel: 2 } },
    {
      name: 'of equals the first, NaN over all, -inf where there is nothing else',
      inputs: [
        {
          shape: [1, 4, 4, 4],
          values: Array.from({ length: 64 }, (_, i) => [1, Number.NaN, -Infinity, i % 2][i >> 4] as number),
        },
      ],
      attrs: { kernel: 2, options: { returnIndices: true, padding: 1 } },
      smooth: false,
    },
    { inputs: image(64, 6, 24, 24), attrs: { kernel: 2 }, dtypes: ['f32'], bench: true },
    { inputs: image(64, 16, 8, 8), attrs: { kernel: 2 }, dtypes: ['f32'], bench: true },
    {
      inputs: image(8, 64, 56, 56),
      attrs: { kernel: 3, options: { stride: 2, padding: 1 } },
      dtypes: ['f32'],
      bench: true,
    },
  ],
  errors: [
    {
      name: 'a window larger than the image',
      run: () => maxPool2d(zeros([1, 1, 4, 4]), 5),
      code: 'ERR_SHAPE',
      message: 'max_pool2d: the window spans 5 rows but the padded input has 4 (input [1, 1, 4, 4])',
    },
    {
      name: 'padding as large as the window',
      run: () => maxPool2d(zeros([1, 1, 4, 4]), 2, { padding: 2 }),
      code: 'ERR_ARGUMENT',
      message: 'max_pool2d: padding 2 must be smaller than the 2 rows that the window spans',
    },
    {
      name: 'stride zero',
      run: () => maxPool2d(zeros([1, 1, 4, 4]), 2, { stride: 0 }),
      code: 'ERR_ARGUMENT',
      message: 'max_pool2d: stride must be from 1 to',
    },
    {
      name: 'two dimensions',
      run: () => maxPool2d(zeros([4, 4]), 2),
      code: 'ERR_SHAPE',
      message: 'input must be (N, C, H, W) or (C, H, W) but has shape [4, 4]',
    },
    {
      name: 'integers',
      run: () => maxPool2d(tensor([1, 2, 3, 4], { shape: [1, 1, 2, 2], dtype: 'i32' }), 2),
      code: 'ERR_DTYPE',
      message: 'max_pool2d: input must be a floating-point tensor but is i32',
    },
    {
      name: 'a mistyped option',
      run: () => maxPool2d(zeros([1, 1, 4, 4]), 2, { ceil: true } as MaxPool2dOptions),
      code: 'ERR_ARGUMENT',
      message: "maxPool2d: unknown option 'ceil'",
    },
  ],
});

/** The last of NaN, else the first of the largest, in windows that cover the image. */
function adaptiveReference(x: NdArray, [p, q]: [number, number]): NdArray[] {
  const [h, w] = x.shape.slice(-2) as [number, number];
  const places = ndarray(
    [...x.shape.slice(0, -2), p, q],
    (i) => {
      const [plane, row, col] = [Math.floor(i / (p * q)), Math.floor(i / q) % p, i % q];
      let best = -1;
      for (let a = Math.floor((row * h) / p); a < Math.ceil(((row + 1) * h) / p); a++)
        for (let b = Math.floor((col * w) / q); b < Math.ceil(((col + 1) * w) / q); b++) {
          const value = x.data[plane * h * w + a * w + b]!;
          if (best < 0 || value > x.data[plane * h * w + best]! || Number.isNaN(value)) best = a * w + b;
        }
      return best;
    },
    'i64',
  );
  const values = ndarray(places.shape, (i) => x.data[Math.floor(i / (p * q)) * h * w + places.data[i]!]!);
  return [values, places];
}

const adaptiveRows = defineRows<[number, number]>({
  name: 'adaptive_max_pool2d',
  dtypes: ['f32', 'f64', 'f16', 'bf16'],
  family: 'exact',
  call: ([x], size) => adaptiveMaxPool2d(x!, size, { returnIndices: true }),
  reference: ([x], size) => adaptiveReference(x!, size),
  samples: [
    { inputs: image(2, 3, 7, 9), attrs: [1, 1] },
    { inputs: image(2, 3, 8, 12), attrs: [4, 6] },
    { inputs: image(1, 2, 10, 17), attrs: [3, 5] },
    { inputs: image(2, 3, 4), attrs: [5, 7] },
    { inputs: image(0, 3, 4, 4), attrs: [2, 2] },
    {
      name: 'NaN, equals and -inf',
      inputs: [
        {
          shape: [1, 3, 2, 2],
          values: [1, Number.NaN, Number.NaN, 0, 2, 2, 2, 2, -Infinity, -Infinity, -Infinity, -Infinity],
        },
      ],
      attrs: [1, 1],
      smooth: false,
    },
  ],
  errors: [
    {
      name: 'no size',
      run: () => adaptiveMaxPool2d(zeros([1, 1, 4, 4]), 0),
      code: 'ERR_ARGUMENT',
      message: 'adaptive_max_pool2d: size must be from 1 to',
    },
  ],
});

export default [maxRows, adaptiveRows];
