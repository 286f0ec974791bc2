import { dtypes, type Tensor, tril, triu, zeros } from 'tilegrad';
import { defineRows, type NdArray, ndarray } from '../support/op_rows.ts';

const kept = (a: NdArray, keep: (row: number, col: number) => boolean): NdArray => {
  const [m, n] = a.shape.slice(-2) as [number, number];
  return ndarray(a.shape, (i) => (keep(Math.floor(i / n) % m, i % n) ? a.data[i]! : 0));
};

const shapes = [
  [3, 4],
  [5, 3],
  [2, 3, 4, 4],
  [0, 3],
  [200, 130],
];

export default [tril, triu].map((triangle, upper) =>
  defineRows<number>({
    name: upper ? 'triu' : 'tril',
    dtypes,
    family: 'exact',
    call: ([a], diagonal) => triangle(a as Tensor, diagonal),
    reference: ([a], diagonal) =>
      kept(a as NdArray, (row, col) => (upper ? col - row >= diagonal : col - row <= diagonal)),
    samples: [
      ...shapes.map((shape) => ({ inputs: [{ shape }], attrs: 0 })),
      ...[-9, -2, 1, 3, 2 ** 52].map((attrs) => ({ inputs: [{ shape: [3, 4] }], attrs })),
    ],
    errors: [
      {
        name: 'a vector',
        run: () => triangle(zeros([3])),
        code: 'ERR_SHAPE',
        message: `${upper ? 'triu' : 'tril'}: input must have at least 2 dimensions but has shape [3]`,
      },
    ],
  }),
);
