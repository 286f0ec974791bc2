import { cdist, zeros } from 'tilegrad';
import { element, fromCoordinates } from '../support/ndarray.ts';
import { defineRows, type NdArray, type Sample } from '../support/op_rows.ts';

export default defineRows<{ p?: number }>({
  name: 'cdist',
  covers: ['cdist_input_grad'],
  dtypes: ['f32', 'f64', 'f16', 'bf16'],
  family: 'accumulating',
  call: ([a, b], options) => cdist(a!, b!, options),
  reference: ([a, b], { p = 2 }, round) => {
    const [x, y] = [a as NdArray, b as NdArray];
    const shape = [...x.shape.slice(0, -1), y.shape.at(-2) as number];
    return fromCoordinates(shape, (at) => {
      const lead = at.slice(0, -2);
      const differences = Array.from({ length: x.shape.at(-1) as number }, (_, k) =>
        Math.abs(
          round(
            element(x, [...lead, at.at(-2) as number, k]) -
              element(y, [...lead.map((n, d) => (y.shape[d] === 1 ? 0 : n)), at.at(-1) as number, k]),
          ),
        ),
      );
      if (p === Number.POSITIVE_INFINITY) return Math.max(...differences);
      return round(differences.reduce((sum, d) => round(sum + round(d ** p)), 0) ** (1 / p));
    });
  },
  samples: [
    { inputs: [{ shape: [3, 4] }, { shape: [5, 4] }], attrs: {} },
    { inputs: [{ shape: [2, 3, 2] }, { shape: [2, 2, 2] }], attrs: { p: 3 }, smooth: false },
    { inputs: [{ shape: [3, 4] }, { shape: [2, 4] }], attrs: { p: 1 }, smooth: false },
    { inputs: [{ shape: [2, 3, 4] }, { shape: [1, 5, 4] }], attrs: {} },
    { inputs: [{ shape: [0, 4] }, { shape: [2, 4] }], attrs: {} },
    { inputs: [{ shape: [3, 0] }, { shape: [2, 0] }], attrs: {} },
    {
      inputs: [
        { shape: [203, 33], grad: false },
        { shape: [70, 33], grad: false },
      ],
      attrs: {},
    },
    {
      inputs: [
        { shape: [13, 5], grad: false },
        { shape: [131, 5], grad: false },
      ],
      attrs: { p: 1 },
    },
    {
      inputs: [
        { shape: [9, 5], grad: false },
        { shape: [65, 5], grad: false },
      ],
      attrs: { p: Infinity },
    },
    ...[1, 2, Infinity].map(
      (p): Sample<{ p?: number }> => ({
        name: 'long rows',
        inputs: [
          { shape: [7, 8200], grad: false },
          { shape: [2, 8200], grad: false },
        ],
        attrs: { p },
      }),
    ),
    {
      name: 'far from 0',
      inputs: [
        { shape: [30, 6], range: [1000, 1001], grad: false },
        { shape: [40, 6], range: [1000, 1001], grad: false },
      ],
      attrs: {},
      dtypes: ['f32', 'f64'],
    },
    { inputs: [{ shape: [3, 4] }, { shape: [2, 4] }], attrs: { p: Number.POSITIVE_INFINITY }, smooth: false },
    {
      inputs: [{ shape: [2, 6, 19] }, { shape: [1, 5, 19] }],
      attrs: { p: Number.POSITIVE_INFINITY },
      smooth: false,
      dtypes: ['f32', 'f64'], // of 16 bits several differences are the largest
    },
    { inputs: [{ shape: [6, 19] }, { shape: [5, 19] }], attrs: {} },
  ],
  errors: [
    {
      name: 'vectors of two lengths',
      run: () => cdist(zeros([2, 3]), zeros([2, 4])),
      code: 'ERR_SHAPE',
      message: 'cdist: a (..., P, M) and b (..., R, M) need vectors of one length (a [2, 3], b [2, 4])',
    },
    {
      name: 'batches that do not broadcast',
      run: () => cdist(zeros([2, 2, 3]), zeros([3, 2, 3])),
      code: 'ERR_SHAPE',
      message: 'cdist: shapes [2, 2, 3] and [3, 2, 3] do not broadcast',
    },
  ],
});
