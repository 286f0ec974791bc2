import { dtypes, flip, fliplr, flipud, type Tensor, zeros } from 'tilegrad';
import { element, fromCoordinates } from '../support/ndarray.ts';
import { defineRows, type NdArray } from '../support/op_rows.ts';

const x = (...shape: number[]) => [{ shape }];

export default [
  defineRows<number | number[]>({
    name: 'flip',
    dtypes,
    family: 'exact',
    call: ([a], dims) => flip(a as Tensor, dims),
    reference: ([a], dims) => {
      const { shape } = a as NdArray;
      const turned = [dims].flat().map((d) => (d < 0 ? d + shape.length : d));
      return fromCoordinates(shape, (at) =>
        element(
          a as NdArray,
          at.map((i, d) => (turned.includes(d) ? shape[d]! - 1 - i : i)),
        ),
      );
    },
    timed: [{ inputs: [{ shape: [1024, 1024] }], attrs: [0, 1] }],
    samples: [
      { inputs: x(3, 4, 5), attrs: [0, 2] },
      { inputs: x(3, 4, 5), attrs: 1 },
      { inputs: x(3, 4, 5), attrs: [0, 1, 2] },
      { inputs: x(3, 4, 1, 5), attrs: [-1] },
      { inputs: x(2, 3), attrs: [] },
      { inputs: x(2, 0), attrs: [0] },
      { inputs: x(), attrs: [] },
      { inputs: x(300, 301), attrs: [1] },
    ],
    errors: [
      {
        name: 'a dimension twice',
        run: () => flip(zeros([2, 2]), [0, -2]),
        code: 'ERR_ARGUMENT',
        message: 'flip: dimension -2 appears twice',
      },
      {
        name: 'no such dimension',
        run: () => flip(zeros([2, 2]), 2),
        code: 'ERR_ARGUMENT',
        message: 'flip: dimension 2 is out of range',
      },
    ],
  }),
  defineRows({
    name: 'fliplr',
    dtypes: ['f32', 'f64'],
    family: 'exact',
    call: ([a]) => [fliplr(a as Tensor), flipud(a as Tensor)],
    reference: ([a]) => {
      const { shape } = a as NdArray;
      const turn = (dim: number) =>
        fromCoordinates(shape, (at) =>
          element(
            a as NdArray,
            at.map((i, d) => (d === dim ? shape[d]! - 1 - i : i)),
          ),
        );
      return [turn(1), turn(0)];
    },
    samples: [{ inputs: x(3, 4) }, { inputs: x(2, 3, 2) }],
    errors: [
      {
        name: 'a vector',
        run: () => fliplr(zeros([2])),
        code: 'ERR_SHAPE',
        message: 'fliplr: needs at least 2 dimensions but has 1',
      },
    ],
  }),
];
