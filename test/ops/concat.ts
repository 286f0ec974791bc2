import { concat, dtypes, stack, tensor, zeros } from 'tilegrad';
import { element, fromCoordinates } from '../support/ndarray.ts';
import { defineRows, type NdArray } from '../support/op_rows.ts';

function joined(arrays: readonly NdArray[], dim: number): NdArray {
  const first = arrays[0]!.shape;
  const d = dim < 0 ? dim + first.length : dim;
  const shape = first.with(
    d,
    arrays.reduce((n, x) => n + x.shape[d]!, 0),
  );
  return fromCoordinates(shape, (at) => {
    let [i, k] = [at[d]!, 0];
    while (i >= arrays[k]!.shape[d]!) i -= arrays[k++]!.shape[d]!;
    return element(arrays[k]!, at.with(d, i));
  });
}

const shapes = (...list: number[][]) => list.map((shape) => ({ shape }));

export default [
  defineRows<number | undefined>({
    name: 'concat',
    dtypes,
    family: 'exact',
    call: (tensors, dim) =>
      concat(
        tensors.map((x) => x!),
        dim,
      ),
    reference: (arrays, dim = 0) =>
      joined(
        arrays.map((x) => x!),
        dim,
      ),
    timed: [{ inputs: [{ shape: [1024, 512] }, { shape: [1024, 512] }], attrs: 1 }],
    samples: [
      { inputs: shapes([3]) },
      { inputs: shapes([3], [1], [5]) },
      { inputs: shapes([2, 3], [2, 4]), attrs: 1 },
      { inputs: shapes([2, 3, 5], [2, 1, 5], [2, 0, 5], [2, 7, 5]), attrs: -2 },
      { inputs: shapes([4, 3], [2, 3]), attrs: 0 },
      { inputs: shapes([0, 3], [0, 3]), attrs: 0 },
      { inputs: shapes(...Array.from({ length: 9 }, (_, i) => [1 + (i % 3), 2])) },
    ],
    errors: [
      {
        name: 'nothing',
        run: () => concat([]),
        code: 'ERR_ARGUMENT',
        message: 'concat: expects 1 or more inputs but got 0',
      },
      {
        name: 'scalars',
        run: () => concat([zeros([]), zeros([])]),
        code: 'ERR_SHAPE',
        message: 'concat: scalars have no dimension to join along; use stack',
      },
      {
        name: 'other sizes',
        run: () => concat([zeros([2, 3]), zeros([2, 4])], 0),
        code: 'ERR_SHAPE',
        message: 'concat: input 1 of shape [2, 4] does not fit input 0 of shape [2, 3] along dimension 0',
      },
      {
        name: 'other ranks',
        run: () => concat([zeros([2, 3]), zeros([3])], 0),
        code: 'ERR_SHAPE',
        message: 'concat: input 1 of shape [3] does not fit input 0 of shape [2, 3] along dimension 0',
      },
      {
        name: 'other dtypes',
        run: () => concat([zeros([2]), tensor([1, 2], { dtype: 'i32' })]),
        code: 'ERR_DTYPE',
        message: 'concat: input 0 is f32 but another is i32',
      },
      {
        name: 'a dimension out of range',
        run: () => concat([zeros([2])], 1),
        code: 'ERR_ARGUMENT',
        message: 'concat: dimension 1 is out of range for a tensor with 1 dimensions',
      },
    ],
  }),
  defineRows<number | undefined>({
    name: 'stack',
    dtypes: ['f32', 'f64', 'i64', 'bool'],
    family: 'exact',
    call: (tensors, dim) =>
      stack(
        tensors.map((x) => x!),
        dim,
      ),
    reference: (arrays, dim = 0) => {
      const at = dim < 0 ? dim + arrays[0]!.shape.length + 1 : dim;
      return joined(
        arrays.map((x) => ({ shape: x!.shape.toSpliced(at, 0, 1), data: x!.data })),
        at,
      );
    },
    samples: [
      { inputs: shapes([], [], []) },
      { inputs: shapes([3], [3]), attrs: 1 },
      { inputs: shapes([2, 3], [2, 3], [2, 3]), attrs: -1 },
      { inputs: shapes([2, 3], [2, 3]), attrs: -3 },
      { inputs: shapes([0, 3], [0, 3]) },
    ],
    errors: [
      { name: 'nothing', run: () => stack([]), code: 'ERR_ARGUMENT', message: 'stack: needs at least one tensor' },
      {
        name: 'a dimension out of range',
        run: () => stack([zeros([2])], 2),
        code: 'ERR_ARGUMENT',
        message: 'stack: dimension 2 is out of range for a tensor with 2 dimensions',
      },
    ],
  }),
];
