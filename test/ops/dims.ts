import { flatten, movedim, squeeze, swapaxes, type Tensor, unflatten, unsqueeze, zeros } from 'tilegrad';
import { permuted } from '../support/ndarray.ts';
import { defineRows, type NdArray } from '../support/op_rows.ts';

type Dims = number | readonly number[];
const dtypes = ['f32', 'f64', 'i32', 'bool'] as const;
const one = (...shape: number[]) => [{ shape }];

/** Calls that keep the flat order of the elements: what they do to a shape. */
interface Reshaping {
  run: (x: Tensor) => Tensor;
  shape: readonly number[];
}

const reshaping = (name: string, samples: [number[], Reshaping['run'], number[]][], errors: Fault[] = []) =>
  defineRows<Reshaping>({
    name,
    dtypes,
    family: 'exact',
    call: ([x], { run }) => run(x as Tensor),
    reference: ([x], { shape }) => ({ shape, data: (x as NdArray).data }),
    samples: samples.map(([from, run, shape]) => ({
      name: `${from} to ${shape}`,
      inputs: one(...from),
      attrs: { run, shape },
    })),
    errors,
  });

interface Fault {
  name: string;
  run: () => unknown;
  code: string;
  message: string;
}

export default [
  reshaping(
    'squeeze',
    [
      [[2, 1, 3, 1], (x) => squeeze(x), [2, 3]],
      [[2, 1, 3, 1], (x) => x.squeeze(-1), [2, 1, 3]],
      [[2, 1, 3, 1], (x) => squeeze(x, [0, 1]), [2, 3, 1]],
      [[1, 1], (x) => squeeze(x), []],
      [[], (x) => squeeze(x), []],
    ],
    [
      {
        name: 'no such dimension',
        run: () => squeeze(zeros([1]), 1),
        code: 'ERR_ARGUMENT',
        message: 'squeeze: dimension 1',
      },
    ],
  ),
  reshaping(
    'unsqueeze',
    [
      [[2, 3], (x) => unsqueeze(x, 0), [1, 2, 3]],
      [[2, 3], (x) => x.unsqueeze(-1), [2, 3, 1]],
      [[], (x) => unsqueeze(x, 0), [1]],
    ],
    [
      {
        name: 'no such place',
        run: () => unsqueeze(zeros([2]), 2),
        code: 'ERR_ARGUMENT',
        message: 'unsqueeze: dimension 2',
      },
    ],
  ),
  reshaping(
    'flatten',
    [
      [[2, 3, 4], (x) => flatten(x), [24]],
      [[2, 3, 4], (x) => x.flatten(1), [2, 12]],
      [[2, 3, 4], (x) => flatten(x, 0, -2), [6, 4]],
      [[0, 3], (x) => flatten(x), [0]],
      [[], (x) => flatten(x), [1]],
    ],
    [
      {
        name: 'the end before the start',
        run: () => flatten(zeros([2, 2]), 1, 0),
        code: 'ERR_ARGUMENT',
        message: 'flatten: endDim 0 comes before startDim 1',
      },
    ],
  ),
  reshaping(
    'unflatten',
    [
      [[2, 12], (x) => unflatten(x, 1, [3, -1]), [2, 3, 4]],
      [[12, 2], (x) => x.unflatten(0, [2, 6]), [2, 6, 2]],
    ],
    [
      {
        name: 'sizes that do not fit',
        run: () => unflatten(zeros([6]), 0, [4, -1]),
        code: 'ERR_SHAPE',
        message: 'unflatten: dimension 0 of size 6 does not split into [4, -1]',
      },
    ],
  ),
  defineRows<{ from: Dims; to: Dims; order: readonly number[] }>({
    name: 'movedim',
    dtypes,
    family: 'exact',
    call: ([x], { from, to }) => movedim(x as Tensor, from, to),
    reference: ([x], { order }) => permuted(x as NdArray, order),
    samples: [
      { inputs: one(2, 3, 4), attrs: { from: 0, to: 2, order: [1, 2, 0] } },
      { inputs: one(2, 3, 4), attrs: { from: [0, -1], to: [-1, 0], order: [2, 1, 0] } },
      { inputs: one(2, 3, 4, 5), attrs: { from: 3, to: 1, order: [0, 3, 1, 2] } },
    ],
    errors: [
      {
        name: 'a dimension twice',
        run: () => movedim(zeros([2, 2]), [0, 0], [0, 1]),
        code: 'ERR_ARGUMENT',
        message: 'movedim: [0, 0] and [0, 1] must be as many dimensions, each named once',
      },
    ],
  }),
  defineRows({
    name: 'swapaxes',
    dtypes,
    family: 'exact',
    call: ([x]) => swapaxes(x as Tensor, 0, -1),
    reference: ([x]) => permuted(x as NdArray, [2, 1, 0]),
    samples: [{ inputs: one(2, 3, 4) }],
  }),
];
