import {
  dtypes,
  embedding,
  type EmbeddingOptions,
  indexAdd,
  indexSelect,
  oneHot,
  type Tensor,
  tensor,
  zeros,
} from 'tilegrad';
import { element, fromCoordinates } from '../support/ndarray.ts';
import { defineRows, type NdArray, ndarray } from '../support/op_rows.ts';

const index = (values: number[], dtype: 'i64' | 'i32' = 'i64', shape = [values.length]) => ({ shape, values, dtype });
const i64 = (...values: number[]) => tensor(values, { dtype: 'i64' });
const resolved = (dim: number, x: NdArray) => (dim < 0 ? dim + x.shape.length : dim);
const small = (...shape: number[]) => ({ shape, range: [-3, 3] as const });

export default [
  defineRows<number>({
    name: 'index_select',
    dtypes,
    family: 'exact',
    call: ([x, i], dim) => indexSelect(x as Tensor, dim, i as Tensor),
    reference: ([x, i], dim) => {
      const d = resolved(dim, x!);
      return fromCoordinates(x!.shape.with(d, i!.shape[0]!), (at) => element(x!, at.with(d, i!.data[at[d]!]!)));
    },
    timed: [{ inputs: [{ shape: [4096, 256] }, { shape: [4096], dtype: 'i64', range: [0, 4095] }], attrs: 0 }],
    samples: [
      { inputs: [{ shape: [5] }, index([4, 0, 0])], attrs: 0 },
      { inputs: [{ shape: [5, 3] }, index([1, 4, 4, 2], 'i32')], attrs: 0 },
      { inputs: [{ shape: [2, 3, 4] }, index([2, 0])], attrs: 1 },
      { inputs: [{ shape: [2, 3, 4] }, index([3, 3, 1])], attrs: -1 },
      { inputs: [{ shape: [3, 2] }, index([])], attrs: 0 },
      { inputs: [{ shape: [3, 0] }, index([1, 2])], attrs: 0 },
      { inputs: [{ shape: [40, 300] }, index([39, 0, 7])], attrs: 0 },
    ],
    errors: [
      {
        name: 'a place beyond the end',
        run: () => indexSelect(zeros([3, 2]), 0, i64(0, 3)),
        code: 'ERR_ARGUMENT',
        message: 'index_select: index 3 at 1 is out of range for 3 rows',
      },
      {
        name: 'an index of two dimensions',
        run: () => indexSelect(zeros([3]), 0, i64(0).reshape(1, 1)),
        code: 'ERR_SHAPE',
        message: 'index_select: index must have 1 dimensions but has shape [1, 1]',
      },
      {
        name: 'an index of floats',
        run: () => indexSelect(zeros([3]), 0, zeros([1])),
        code: 'ERR_DTYPE',
        message: 'index_select: index must be i64 or i32 but is f32',
      },
      {
        name: 'a scalar',
        run: () => indexSelect(zeros([]), 0, i64(0)),
        code: 'ERR_SHAPE',
        message: 'index_select: a scalar has no dimension to take rows of',
      },
    ],
  }),
  defineRows<{ dim: number; alpha?: number }>({
    name: 'index_add',
    dtypes: ['f32', 'f64', 'f16', 'bf16', 'i64', 'i32', 'i8'],
    family: 'accumulating',
    call: ([x, i, source], { dim, alpha }) => indexAdd(x as Tensor, dim, i as Tensor, source as Tensor, { alpha }),
    reference: ([x, i, source], { dim, alpha = 1 }, round) => {
      const d = resolved(dim, x!);
      return fromCoordinates(x!.shape, (at) =>
        i!.data.reduce(
          (sum, row, k) => (row === at[d] ? round(sum + round(alpha * element(source!, at.with(d, k)))) : sum),
          element(x!, at),
        ),
      );
    },
    samples: [
      { inputs: [small(5), index([4, 0, 4]), small(3)], attrs: { dim: 0 } },
      { inputs: [small(5, 3), index([1, 4, 4, 2], 'i32'), small(4, 3)], attrs: { dim: 0 } },
      { inputs: [small(2, 3, 4), index([2, 0, 2]), small(2, 3, 4)], attrs: { dim: 1, alpha: 2 } },
      { inputs: [small(2, 3, 4), index([3, 3]), small(2, 3, 2)], attrs: { dim: -1 } },
      { inputs: [small(3, 2), index([]), small(0, 2)], attrs: { dim: 0 } },
      { inputs: [small(4, 600), index([1, 3, 1]), small(3, 600)], attrs: { dim: 0 } },
    ],
    errors: [
      {
        name: 'a place beyond the end',
        run: () => indexAdd(zeros([3]), 0, i64(-1), zeros([1])),
        code: 'ERR_ARGUMENT',
        message: 'index_add: index -1 at 0 is out of range for 3 rows',
      },
      {
        name: 'a source that does not fit',
        run: () => indexAdd(zeros([3, 2]), 0, i64(1), zeros([2, 2])),
        code: 'ERR_SHAPE',
        message: 'index_add: source must have shape [1, 2] but has [2, 2] (input [3, 2], index [1])',
      },
      {
        name: 'bools',
        run: () => indexAdd(zeros([3], { dtype: 'bool' }), 0, i64(1), zeros([1], { dtype: 'bool' })),
        code: 'ERR_DTYPE',
        message: 'index_add: is not defined for bool',
      },
    ],
  }),
  defineRows<EmbeddingOptions>({
    name: 'embedding',
    covers: ['embedding_scale'],
    dtypes: ['f32', 'f64', 'f16', 'bf16'],
    family: 'accumulating',
    call: ([i, weight], options) => embedding(i as Tensor, weight as Tensor, options),
    reference: ([i, weight]) =>
      fromCoordinates([...i!.shape, weight!.shape[1]!], (at) =>
        element(weight as NdArray, [element(i!, at.slice(0, -1)), at.at(-1)!]),
      ),
    samples: [
      { inputs: [index([1, 2, 2, 5, 0, 2], 'i64', [2, 3]), { shape: [6, 4] }], attrs: {} },
      { inputs: [index([3], 'i32', []), { shape: [6, 4] }], attrs: {} },
    ],
    errors: [
      {
        name: 'a number beyond the table',
        run: () => embedding(i64(6), zeros([6, 4])),
        code: 'ERR_ARGUMENT',
        message: 'index_select: index 6 at 0 is out of range for 6 rows',
      },
      {
        name: 'a vector as table',
        run: () => embedding(i64(0), zeros([6])),
        code: 'ERR_SHAPE',
        message: 'embedding: weight must be a matrix but has shape [6]',
      },
      {
        name: 'padding that is no row',
        run: () => embedding(i64(0), zeros([6, 4]), { paddingIdx: -7 }),
        code: 'ERR_ARGUMENT',
        message: 'embedding: paddingIdx -7 is not among the 6 rows',
      },
    ],
  }),
  defineRows<number>({
    name: 'one_hot',
    dtypes: ['i64', 'i32'],
    family: 'exact',
    differentiable: false,
    call: ([i], classes) => oneHot(i as Tensor, classes),
    reference: ([i], classes) =>
      ndarray([...i!.shape, classes], (k) => (i!.data[Math.floor(k / classes)] === k % classes ? 1 : 0), 'i64'),
    samples: [
      { inputs: [{ shape: [5], values: [0, 3, 2, 2, 1] }], attrs: 4 },
      { inputs: [{ shape: [2, 3], values: [0, 9, 2, 5, 1, 1] }], attrs: 10 },
      { inputs: [{ shape: [], values: [1] }], attrs: 3 },
      { inputs: [{ shape: [0] }], attrs: 3 },
    ],
    errors: [
      {
        name: 'a class beyond the last',
        run: () => oneHot(i64(0, 4), 4),
        code: 'ERR_ARGUMENT',
        message: 'one_hot: index 4 at 1 is out of range for 4 rows',
      },
      {
        name: 'no classes',
        run: () => oneHot(i64(0), 0),
        code: 'ERR_ARGUMENT',
        message: 'one_hot: the number of classes',
      },
      {
        name: 'floats',
        run: () => oneHot(zeros([1]), 2),
        code: 'ERR_DTYPE',
        message: 'one_hot: classes must be i64 or i32 but are f32',
      },
    ],
  }),
];
