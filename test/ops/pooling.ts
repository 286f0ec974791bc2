import {
  adaptiveAvgPool1d,
  adaptiveAvgPool3d,
  avgPool1d,
  avgPool3d,
  lpPool2d,
  maxPool1d,
  maxPool3d,
  maxUnpool2d,
  type Tensor,
  tensor,
  zeros,
} from 'tilegrad';
import { element, fromCoordinates } from '../support/ndarray.ts';
import { defineRows, type NdArray } from '../support/op_rows.ts';

const dtypes = ['f32', 'f64', 'f16', 'bf16'] as const;
const distinct = (...shape: number[]) => [{ shape, distinct: true }];

interface Axis {
  kernel: number;
  stride: number;
  padding: number;
}

/** The elements of each window over the last dimensions: unpadded places only. */
function windows(x: NdArray, axes: Axis[], fold: (values: number[]) => number): NdArray {
  const lead = x.shape.length - axes.length;
  const sizes = axes.map((a, i) => Math.floor((x.shape[lead + i]! + 2 * a.padding - a.kernel) / a.stride) + 1);
  return fromCoordinates([...x.shape.slice(0, lead), ...sizes], (at) => {
    const ranges = axes.map((a, i) =>
      Array.from({ length: a.kernel }, (_, k) => at[lead + i]! * a.stride - a.padding + k),
    );
    const places = ranges.reduce<number[][]>((all, range) => all.flatMap((p) => range.map((r) => [...p, r])), [[]]);
    const inside = places.filter((p) => p.every((i, d) => i >= 0 && i < x.shape[lead + d]!));
    return fold(inside.map((p) => element(x, [...at.slice(0, lead), ...p])));
  });
}

const sum = (round: (x: number) => number) => (values: number[]) => values.reduce((a, b) => round(a + b), 0);
const axis = (kernel: number, stride = kernel, padding = 0): Axis => ({ kernel, stride, padding });
const adaptive = (x: NdArray, sizes: number[], round: (x: number) => number): NdArray => {
  const lead = x.shape.length - sizes.length;
  return fromCoordinates([...x.shape.slice(0, lead), ...sizes], (at) => {
    const ranges = sizes.map((count, d) => {
      const size = x.shape[lead + d]!;
      const begin = Math.floor((at[lead + d]! * size) / count);
      const end = Math.ceil(((at[lead + d]! + 1) * size) / count);
      return Array.from({ length: end - begin }, (_, i) => begin + i);
    });
    const places = ranges.reduce<number[][]>((all, range) => all.flatMap((p) => range.map((r) => [...p, r])), [[]]);
    return round(sum(round)(places.map((p) => element(x, [...at.slice(0, lead), ...p]))) / places.length);
  });
};

export default [
  defineRows<Axis>({
    name: 'maxPool1d',
    dtypes,
    family: 'exact',
    call: ([x], { kernel, stride, padding }) => maxPool1d(x as Tensor, kernel, { stride, padding }),
    reference: ([x], a) => windows(x!, [a], (values) => Math.max(...values)),
    samples: [
      { inputs: distinct(2, 3, 9), attrs: axis(2) },
      { inputs: distinct(2, 30), attrs: axis(3, 2, 1) },
      { inputs: distinct(1, 1, 17), attrs: axis(4, 1, 2) },
    ],
    errors: [
      {
        name: 'an image',
        run: () => maxPool1d(zeros([1, 1, 2, 2]), 2),
        code: 'ERR_SHAPE',
        message: 'maxPool1d: input must be (N, C, L) or (C, L) but has shape [1, 1, 2, 2]',
      },
    ],
  }),
  defineRows<Axis>({
    name: 'avgPool1d',
    dtypes,
    family: 'accumulating',
    call: ([x], { kernel, stride, padding }) => avgPool1d(x as Tensor, kernel, { stride, padding }),
    reference: ([x], a, round) => windows(x!, [a], (values) => round(sum(round)(values) / a.kernel)),
    samples: [
      { inputs: distinct(2, 3, 9), attrs: axis(2) },
      { inputs: distinct(2, 30), attrs: axis(3, 2, 1) },
    ],
  }),
  defineRows<number>({
    name: 'adaptiveAvgPool1d',
    dtypes,
    family: 'accumulating',
    call: ([x], size) => adaptiveAvgPool1d(x as Tensor, size),
    reference: ([x], size, round) => adaptive(x!, [size], round),
    samples: [
      { inputs: distinct(2, 3, 9), attrs: 4 },
      { inputs: distinct(3, 12), attrs: 3 },
    ],
  }),
  defineRows<[Axis, Axis, Axis]>({
    name: 'maxPool3d',
    dtypes,
    family: 'exact',
    call: ([x], [d, h, w]) =>
      maxPool3d(x as Tensor, [d.kernel, h.kernel, w.kernel], {
        stride: [d.stride, h.stride, w.stride],
        padding: [d.padding, h.padding, w.padding],
      }),
    reference: ([x], axes) => windows(x!, axes, (values) => Math.max(...values)),
    samples: [
      { inputs: distinct(1, 2, 4, 4, 6), attrs: [axis(2), axis(2), axis(2)] },
      { inputs: distinct(2, 3, 5, 4), attrs: [axis(2, 1, 1), axis(3, 2, 1), axis(2, 2)] },
    ],
    errors: [
      {
        name: 'a plane',
        run: () => maxPool3d(zeros([4, 4]), 2),
        code: 'ERR_SHAPE',
        message: 'maxPool3d: input must be (N, C, D, H, W) or (C, D, H, W) but has shape [4, 4]',
      },
    ],
  }),
  defineRows<[Axis, Axis, Axis]>({
    name: 'avgPool3d',
    dtypes: ['f32', 'f64'],
    family: 'accumulating',
    call: ([x], [d, h, w]) =>
      avgPool3d(x as Tensor, [d.kernel, h.kernel, w.kernel], {
        stride: [d.stride, h.stride, w.stride],
        padding: [d.padding, h.padding, w.padding],
      }),
    reference: ([x], axes, round) => {
      const size = axes.reduce((n, a) => n * a.kernel, 1);
      return windows(x!, axes, (values) => round(sum(round)(values) / size));
    },
    samples: [
      { inputs: distinct(1, 2, 4, 4, 6), attrs: [axis(2), axis(2), axis(2)] },
      { inputs: distinct(2, 3, 5, 4), attrs: [axis(2, 1, 1), axis(3, 2, 1), axis(2, 2)] },
    ],
  }),
  defineRows<[number, number, number]>({
    name: 'adaptiveAvgPool3d',
    dtypes: ['f32', 'f64'],
    family: 'accumulating',
    call: ([x], size) => adaptiveAvgPool3d(x as Tensor, size),
    reference: ([x], size, round) => adaptive(x!, size, round),
    samples: [{ inputs: distinct(1, 2, 4, 5, 6), attrs: [2, 3, 4] }],
  }),
  defineRows({
    name: 'maxUnpool2d',
    dtypes,
    family: 'exact',
    call: ([x, indices]) => maxUnpool2d(x as Tensor, indices as Tensor, 2),
    reference: ([x, indices]) =>
      fromCoordinates([...x!.shape.slice(0, -2), x!.shape.at(-2)! * 2, x!.shape.at(-1)! * 2], (at) => {
        const window = [...at.slice(0, -2), at.at(-2)! >> 1, at.at(-1)! >> 1];
        return element(indices!, window) === at.at(-2)! * x!.shape.at(-1)! * 2 + at.at(-1)! ? element(x!, window) : 0;
      }),
    samples: [{ inputs: [{ shape: [1, 1, 2, 2] }, { shape: [1, 1, 2, 2], values: [1, 6, 8, 15], dtype: 'i64' }] }],
    errors: [
      {
        name: 'a place beyond the image',
        run: () => maxUnpool2d(zeros([1, 1, 1]), tensor([4], { dtype: 'i64', shape: [1, 1, 1] }), 2),
        code: 'ERR_ARGUMENT',
        message: 'scatter: index 4',
      },
    ],
  }),
  defineRows<number>({
    name: 'lpPool2d',
    dtypes: ['f32', 'f64'],
    family: 'accumulating',
    call: ([x], norm) => lpPool2d(x as Tensor, norm, 3, { stride: 2 }),
    reference: ([x], norm, round) =>
      windows(x!, [axis(3, 2), axis(3, 2)], (values) =>
        round(sum(round)(values.map((v) => round(v ** norm))) ** (1 / norm)),
      ),
    samples: [{ inputs: distinct(2, 5, 7), attrs: 2 }],
  }),
];
