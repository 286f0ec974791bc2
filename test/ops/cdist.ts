import { cdist, zeros } from 'tilegrad';
import { element, fromCoordinates } from '../support/ndarray.ts';
import { defineRows, type NdArray } from '../support/op_rows.ts';

export default defineRows<{ p?: number }>({
  name: 'cdist',
  dtypes: ['f32', 'f64'],
  family: 'accumulating',
  call: ([a, b], options) => cdist(a!, b!, options),
  reference: ([a, b], { p = 2 }, round) => {
    const [x, y] = [a as NdArray, b as NdArray];
    const shape = [...x.shape.slice(0, -1), y.shape.at(-2) as number];
    return fromCoordinates(shape, (at) => {
      const lead = at.slice(0, -2);
      const differences = Array.from({ length: x.shape.at(-1) as number }, (_, k) =>
        Math.abs(round(element(x, [...lead, at.at(-2) as number, k]) - element(y, [...lead, at.at(-1) as number, k]))),
      );
      if (p === Number.POSITIVE_INFINITY) return Math.max(...differences);
      return round(differences.reduce((sum, d) => round(sum + round(d ** p)), 0) ** (1 / p));
    });
  },
  samples: [
    { inputs: [{ shape: [3, 4] }, { shape: [5, 4] }], attrs: {} },
    { inputs: [{ shape: [2, 3, 2] }, { shape: [2, 2, 2] }], attrs: { p: 3 }, smooth: false },
    { inputs: [{ shape: [3, 4] }, { shape: [2, 4] }], attrs: { p: 1 }, smooth: false },
    { inputs: [{ shape: [3, 4] }, { shape: [2, 4] }], attrs: { p: Number.POSITIVE_INFINITY }, smooth: false },
  ],
  errors: [
    {
      name: 'vectors of two lengths',
      run: () => cdist(zeros([2, 3]), zeros([2, 4])),
      code: 'ERR_SHAPE',
      message: 'sub: shapes [2, 1, 3] and [1, 2, 4] do not broadcast',
    },
  ],
});
