import {
  dtypes,
  gather,
  maskedFill,
  scatter,
  scatterAdd,
  type Tensor,
  take,
  takeAlongDim,
  tensor,
  zeros,
} from 'tilegrad';
import { coordinates, element, flatIndex, fromCoordinates } from '../support/ndarray.ts';
import { defineRows, type NdArray, ndarray } from '../support/op_rows.ts';

const floats = ['f32', 'f64', 'f16', 'bf16'] as const;
const numbers = ['f32', 'f64', 'f16', 'bf16', 'i64', 'i32', 'i8', 'u8'] as const;
const index = (shape: number[], values: number[], dtype: 'i64' | 'i32' = 'i64') => ({ shape, values, dtype });
const i64 = (...values: number[]) => tensor(values, { dtype: 'i64' });

const small = (shape: number[]) => ({ shape, range: [-3, 3] as const });

/** Where element `at` of an index points in the tensor that it indexes. */
const pointed = (i: NdArray, at: number[], dim: number) => at.with(dim, element(i, at));
const resolved = (dim: number, x: NdArray) => (dim < 0 ? dim + x.shape.length : dim);

const outOfRange = [
  {
    name: 'a place beyond the end',
    run: () => gather(zeros([2, 3]), 1, i64(0, 3, 1, 2).reshape(2, 2)),
    code: 'ERR_ARGUMENT',
    message: 'gather: index 3 at 1 (row-major) is out of range for dimension 1 of size 3',
  },
  {
    name: 'a negative place',
    run: () => gather(zeros([2, 3]), 0, i64(-1).reshape(1, 1)),
    code: 'ERR_ARGUMENT',
    message: 'gather: index -1 at 0 (row-major) is out of range for dimension 0 of size 2',
  },
];

const indices = [
  { dim: 1, x: [3, 4], i: index([3, 2], [0, 3, 1, 1, 2, 0]) },
  { dim: 0, x: [3, 4], i: index([2, 3], [0, 2, 1, 1, 2, 1], 'i32') },
  { dim: -2, x: [2, 3, 4], i: index([2, 2, 3], [0, 2, 1, 1, 2, 0, 2, 2, 0, 1, 1, 1]) },
  { dim: 0, x: [5], i: index([8], [0, 4, 4, 2, 1, 0, 3, 4], 'i32') },
  { dim: 0, x: [3, 2, 2], i: index([4, 2, 2], [0, 1, 2, 0, 1, 1, 2, 2, 0, 0, 1, 2, 2, 1, 0, 0]) },
  { dim: 1, x: [2, 3], i: index([2, 0], []) },
];
const wide = index(
  [3, 700],
  Array.from({ length: 2100 }, (_, i) => (i * 7) % 4),
);

export default [
  defineRows<number>({
    name: 'gather',
    dtypes,
    family: 'exact',
    call: ([x, i], dim) => gather(x as Tensor, dim, i as Tensor),
    reference: ([x, i], dim) =>
      fromCoordinates((i as NdArray).shape, (at) => element(x as NdArray, pointed(i!, at, resolved(dim, x!)))),
    timed: [{ inputs: [{ shape: [1024, 1024] }, { shape: [1024, 1024], dtype: 'i64', range: [0, 1023] }], attrs: 1 }],
    samples: [
      ...indices.map(({ dim, x, i }) => ({ inputs: [{ shape: x }, i], attrs: dim })),
      { inputs: [{ shape: [4, 700] }, wide], attrs: 0, dtypes: ['f32', 'u8'] },
    ],
    errors: [
      ...outOfRange,
      {
        name: 'an index of floats',
        run: () => gather(zeros([2]), 0, zeros([1])),
        code: 'ERR_DTYPE',
        message: 'gather: index must be i64 or i32 but is f32',
      },
      {
        name: 'an index of another rank',
        run: () => gather(zeros([2, 2]), 0, i64(0)),
        code: 'ERR_SHAPE',
        message: 'gather: index [1] and input [2, 2] must have the same number of dimensions',
      },
      {
        name: 'an index that is larger elsewhere',
        run: () => gather(zeros([2, 1]), 0, i64(0, 1).reshape(1, 2)),
        code: 'ERR_SHAPE',
        message: 'gather: index [1, 2] is larger than input [2, 1] in dimension 1',
      },
    ],
  }),
  defineRows<number>({
    name: 'scatter_add',
    dtypes: ['f32', 'f64', 'f16', 'bf16', 'i64', 'i32', 'i8'],
    family: 'accumulating',
    call: ([x, i, source], dim) => scatterAdd(x as Tensor, dim, i as Tensor, source as Tensor),
    reference: ([x, i, source], dim, round) => {
      const sums = Float64Array.from((x as NdArray).data);
      (i as NdArray).data.forEach((_, k) => {
        const at = coordinates(i!.shape, k);
        const to = flatIndex(x!.shape, pointed(i!, at, resolved(dim, x!)));
        sums[to] = round(sums[to]! + element(source!, at));
      });
      return ndarray(x!.shape, (k) => sums[k]!);
    },
    timed: [
      {
        inputs: [
          { shape: [1024, 1024] },
          { shape: [1024, 1024], dtype: 'i64', range: [0, 1023] },
          { shape: [1024, 1024] },
        ],
        attrs: 1,
      },
    ],
    samples: [
      ...indices.map(({ dim, x, i }) => ({ inputs: [small(x), i, small(i.shape)], attrs: dim })),
      { inputs: [small([4, 700]), wide, small([3, 700])], attrs: 0 },
    ],
    errors: [
      {
        name: 'a place beyond the end',
        run: () => scatterAdd(zeros([2]), 0, i64(0, 2), zeros([2])),
        code: 'ERR_ARGUMENT',
        message: 'scatter_add: index 2 at 1 (row-major) is out of range for dimension 0 of size 2',
      },
      {
        name: 'a source without elements for the index',
        run: () => scatterAdd(zeros([2]), 0, i64(0, 1), zeros([1])),
        code: 'ERR_SHAPE',
        message: 'scatter_add: source [1] has no element for each of index [2]',
      },
      {
        name: 'a source of another dtype',
        run: () => scatterAdd(zeros([2]), 0, i64(0, 1), zeros([2], { dtype: 'f64' })),
        code: 'ERR_DTYPE',
        message: 'scatter_add: input is f32 but source is f64',
      },
    ],
  }),
  defineRows<{ dim: number; value?: number }>({
    name: 'scatter',
    dtypes,
    family: 'exact',
    call: ([x, i, source], { dim, value }) => scatter(x as Tensor, dim, i as Tensor, source ?? (value as number)),
    reference: ([x, i, source], { dim, value }) => {
      const result = Float64Array.from((x as NdArray).data);
      (i as NdArray).data.forEach((_, k) => {
        const at = coordinates(i!.shape, k);
        result[flatIndex(x!.shape, pointed(i!, at, resolved(dim, x!)))] = source ? element(source, at) : value!;
      });
      return ndarray(x!.shape, (k) => result[k]!);
    },
    samples: [
      { inputs: [{ shape: [3, 4] }, index([3, 2], [0, 3, 1, 2, 2, 0]), { shape: [3, 2] }], attrs: { dim: 1 } },
      {
        inputs: [{ shape: [3, 4] }, index([2, 4], [0, 2, 1, 1, 2, 1, 0, 2], 'i32'), { shape: [3, 4] }],
        attrs: { dim: 0 },
      },
      { inputs: [{ shape: [3, 4] }, index([3, 2], [0, 3, 1, 1, 2, 0])], attrs: { dim: -1, value: 1 } },
      { inputs: [{ shape: [3, 4] }, index([0, 2], [])], attrs: { dim: 0, value: 1 } },
      {
        name: 'the last of several stays',
        inputs: [{ shape: [4], grad: false }, index([5], [1, 1, 2, 1, 2]), { shape: [5], grad: false }],
        attrs: { dim: 0 },
      },
    ],
    errors: [
      {
        name: 'a place beyond the end',
        run: () => scatter(zeros([2]), 0, i64(5), 1),
        code: 'ERR_ARGUMENT',
        message: 'scatter: index 5 at 0 (row-major) is out of range for dimension 0 of size 2',
      },
      {
        name: 'a value that does not fit',
        run: () => scatter(zeros([2], { dtype: 'u8' }), 0, i64(0), 256),
        code: 'ERR_ARGUMENT',
        message: 'scatter: value 256 does not fit into u8',
      },
    ],
  }),
  defineRows<number | undefined>({
    name: 'takeAlongDim',
    dtypes: floats,
    family: 'accumulating',
    call: ([x, i], dim) => [takeAlongDim(x as Tensor, i as Tensor, dim), take(x as Tensor, i as Tensor)],
    reference: ([x, i], dim) => {
      const taken = fromCoordinates(i!.shape, (at) => x!.data[element(i!, at)]!);
      if (dim === undefined) return [{ ...taken, shape: [taken.data.length] }, taken];
      const shape = x!.shape.map((size, d) => (d === dim ? i!.shape[d]! : Math.max(size, i!.shape[d]!)));
      return [fromCoordinates(shape, (at) => element(x!, at.with(dim, element(i!, at)))), taken];
    },
    samples: [
      { inputs: [{ shape: [3, 4] }, index([3, 1], [0, 3, 1])], attrs: 1 },
      { inputs: [{ shape: [3, 4] }, index([2, 1], [2, 0])], attrs: 0 },
      { inputs: [{ shape: [3, 4] }, index([2, 2], [11, 0, 3, 3])], attrs: undefined },
    ],
    errors: [
      {
        name: 'an index that does not broadcast',
        run: () => takeAlongDim(zeros([3, 4]), i64(0, 1).reshape(2, 1), 1),
        code: 'ERR_SHAPE',
        message: 'takeAlongDim: index [2, 1] does not broadcast against [3, 4] beside dimension 1',
      },
    ],
  }),
  defineRows<number>({
    name: 'maskedFill',
    dtypes: numbers,
    family: 'exact',
    call: ([x, mask], value) => maskedFill(x as Tensor, mask as Tensor, value),
    reference: ([x, mask], value) => fromCoordinates(x!.shape, (at) => (element(mask!, at) ? value : element(x!, at))),
    samples: [
      { inputs: [{ shape: [3, 4] }, { shape: [4], values: [1, 0, 0, 1], dtype: 'bool' }], attrs: 7 },
      { inputs: [{ shape: [3, 4] }, { shape: [3, 1], values: [1, 0, 1], dtype: 'bool' }], attrs: 0 },
    ],
  }),
];
