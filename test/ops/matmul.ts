import { linear, matmul, tensor, zeros } from 'tilegrad';
import { broadcastShapes, element, fromCoordinates } from '../support/ndarray.ts';
import { defineRows, type NdArray } from '../support/op_rows.ts';

const floats = ['f32', 'f64', 'f16', 'bf16'] as const;
const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
type Round = (x: number) => number;

function product(a: NdArray, b: NdArray, round: Round): NdArray {
  const [rows, columns] = [
    a.shape.length > 1 ? a : { ...a, shape: [1, ...a.shape] },
    b.shape.length > 1 ? b : { ...b, shape: [...b.shape, 1] },
  ];
  const batch = broadcastShapes(rows.shape.slice(0, -2), columns.shape.slice(0, -2));
  const [m, n, depth] = [rows.shape.at(-2)!, columns.shape.at(-1)!, rows.shape.at(-1)!];
  const full = fromCoordinates([...batch, m, n], (at) => {
    const [lead, i, j] = [at.slice(0, -2), at.at(-2)!, at.at(-1)!];
    let total = 0;
    for (let k = 0; k < depth; k++)
      total = round(total + round(element(rows, [...lead, i, k]) * element(columns, [...lead, k, j])));
    return total;
  });
  const shape = [...batch, ...(a.shape.length > 1 ? [m] : []), ...(b.shape.length > 1 ? [n] : [])];
  return { shape, data: full.data };
}

/** Sizes on both sides of register tiles (4 to 14 rows, 8 to 64 columns) and of blocks of the depth (256 to 512). */
const sizes = [
  [1, 1, 1],
  [1, 7, 17],
  [5, 3, 1],
  [4, 8, 16],
  [6, 5, 33],
  [7, 64, 31],
  [13, 17, 65],
  [15, 257, 8],
  [29, 2, 130],
  [3, 1030, 5],
];

export default [
  defineRows({
    name: 'matmul',
    dtypes: floats,
    family: 'accumulating',
    call: ([a, b]) => matmul(a!, b!),
    reference: ([a, b], _, round) => product(a!, b!, round),
    samples: [
      ...sizes.map(([m, k, n]) => ({ inputs: [{ shape: [m!, k!] }, { shape: [k!, n!] }] })),
      { inputs: [{ shape: [5] }, { shape: [5] }] },
      { inputs: [{ shape: [3, 5] }, { shape: [5] }] },
      { inputs: [{ shape: [5] }, { shape: [5, 3] }] },
      { inputs: [{ shape: [2, 3, 5] }, { shape: [5] }] },
      { inputs: [{ shape: [5] }, { shape: [2, 5, 3] }] },
      { inputs: [{ shape: [2, 3, 5] }, { shape: [2, 5, 4] }] },
      { inputs: [{ shape: [2, 3, 5] }, { shape: [5, 4] }] },
      { inputs: [{ shape: [3, 5] }, { shape: [2, 5, 4] }] },
      { inputs: [{ shape: [2, 1, 3, 5] }, { shape: [3, 5, 4] }] },
      { inputs: [{ shape: [0, 3] }, { shape: [3, 4] }] },
      { inputs: [{ shape: [2, 0] }, { shape: [0, 4] }] },
      { inputs: [{ shape: [2, 3] }, { shape: [3, 0] }] },
      { inputs: [{ shape: [0, 2, 3] }, { shape: [3, 4] }] },
      {
        name: 'not finite',
        inputs: [
          { shape: [3, 2], values: [inf, 1, nan, 2, 1, 1] },
          { shape: [2, 2], values: [1, 0, 1, -inf] },
        ],
      },
    ],
    errors: [
      {
        name: 'inner sizes that differ',
        // @ts-expect-error: the compiler sees it too
        run: () => matmul(zeros([2, 3]), zeros([4, 5])),
        code: 'ERR_SHAPE',
        message: 'matmul: a has 3 columns but b has 4 rows (a [2, 3], b [4, 5])',
      },
      {
        name: 'batches that do not broadcast',
        run: () => matmul(zeros([2, 3, 4]), zeros([3, 4, 5])),
        code: 'ERR_SHAPE',
        message: 'matmul: ',
      },
      {
        name: 'a scalar',
        run: () => matmul(zeros([]), zeros([1, 2])),
        code: 'ERR_SHAPE',
        message: 'matmul: a and b must have at least 1 dimension (a [], b [1, 2])',
      },
      {
        name: 'integers',
        run: () => matmul(zeros([2, 2], { dtype: 'i32' }), zeros([2, 2], { dtype: 'i32' })),
        code: 'ERR_DTYPE',
        message: 'matmul: a must be a floating-point tensor but is i32',
      },
      {
        name: 'two dtypes',
        run: () => matmul(zeros([2, 2]), zeros([2, 2], { dtype: 'f64' })),
        code: 'ERR_DTYPE',
        message: 'matmul: a is f32 but b is f64; cast one of them',
      },
    ],
  }),
  defineRows({
    name: 'linear',
    dtypes: floats,
    family: 'accumulating',
    call: ([x, weight, bias]) => linear(x!, weight!, bias),
    reference: ([x, weight, bias], _, round) => {
      const transposed = fromCoordinates([...weight!.shape].reverse(), ([i, j]) => element(weight!, [j!, i!]));
      const y = product(x!, transposed, round);
      return fromCoordinates(y.shape, (at, i) => (bias ? round(y.data[i]! + element(bias, at)) : y.data[i]!));
    },
    samples: [
      { inputs: [{ shape: [3, 5] }, { shape: [4, 5] }, { shape: [4] }] },
      { inputs: [{ shape: [3, 5] }, { shape: [4, 5] }, null] },
      { inputs: [{ shape: [5] }, { shape: [4, 5] }, { shape: [4] }] },
      { inputs: [{ shape: [2, 3, 7] }, { shape: [17, 7] }, { shape: [17] }] },
      { inputs: [{ shape: [64, 33] }, { shape: [10, 33] }, { shape: [10] }] },
      { inputs: [{ shape: [0, 3] }, { shape: [2, 3] }, { shape: [2] }] },
      { inputs: [{ shape: [2, 0] }, { shape: [3, 0] }, { shape: [3] }] },
    ],
    errors: [
      {
        name: 'a bias of another size',
        run: () => linear(zeros([2, 3]), zeros([4, 3]), zeros([3])),
        code: 'ERR_SHAPE',
        message: 'linear: bias must have shape [4] but has [3]',
      },
      {
        name: 'another number of features',
        // @ts-expect-error: the compiler sees it too
        run: () => linear(zeros([2, 3]), zeros([4, 5])),
        code: 'ERR_SHAPE',
        message: 'linear: weight expects 5 features but input has 3 (input [2, 3], weight [4, 5])',
      },
      {
        name: 'a weight that is no matrix',
        run: () => linear(zeros([2, 3]), zeros([3])),
        code: 'ERR_SHAPE',
        message: 'linear: weight must have 2 dimensions but has shape [3]',
      },
      {
        name: 'a bias of another dtype',
        run: () => linear(zeros([2, 3]), zeros([4, 3]), tensor([1, 2, 3, 4], { dtype: 'f64' })),
        code: 'ERR_DTYPE',
        message: 'linear: input is f32 but bias is f64; cast one of them',
      },
    ],
  }),
];
