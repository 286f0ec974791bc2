import { add, mul, relu, tensor, zeros } from 'tilegrad';
import { elementwise } from '../support/ndarray.ts';
import { defineRows, type InputSpec, type OpRows } from '../support/op_rows.ts';

const floats = ['f32', 'f64', 'f16', 'bf16'] as const;
const numbers = [...floats, 'i64', 'i32', 'i8', 'u8'] as const;
const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

/** Shapes of one operand: scalar, odd sizes around vector widths, no elements. */
const unaryShapes: (readonly number[])[] = [[], [1], [7], [3, 17], [2, 3, 5], [0], [2, 0, 3]];

/** Pairs that broadcast, in each way. */
const binaryShapes: (readonly [readonly number[], readonly number[]])[] = [
  [[], []],
  [[7], [7]],
  [[3, 5], [5]],
  [
    [3, 1],
    [1, 5],
  ],
  [[4], [2, 3, 1]],
  [
    [2, 3, 17],
    [3, 1],
  ],
  [[0, 3], [3]],
];

function unary(name: string, call: OpRows['call'], fn: (x: number) => number, spec: Partial<InputSpec> = {}) {
  return defineRows({
    name,
    dtypes: numbers,
    family: 'elementwise',
    call,
    reference: ([x]) => elementwise(fn, x!),
    samples: [
      ...unaryShapes.map((shape) => ({ inputs: [{ ...spec, shape }] })),
      { name: 'not finite', inputs: [{ shape: [5], values: [nan, inf, -inf, -0, 0] }], dtypes: floats, smooth: false },
    ],
  });
}

function binary(name: string, call: OpRows['call'], fn: (a: number, b: number) => number) {
  return defineRows({
    name,
    dtypes: numbers,
    family: 'elementwise',
    call,
    reference: ([a, b]) => elementwise(fn, a!, b!),
    samples: [
      ...binaryShapes.map(([a, b]) => ({ inputs: [{ shape: a }, { shape: b }] })),
      {
        name: 'not finite',
        inputs: [
          { shape: [4, 1], values: [nan, inf, -inf, 0] },
          { shape: [3], values: [1, -inf, 0] },
        ],
        dtypes: floats,
      },
    ],
  });
}

export default [
  {
    ...unary(
      'relu',
      ([x]) => relu(x!),
      (x) => Math.max(x, 0),
      { distinct: true },
    ),
    covers: ['relu_input_grad'],
  },
  {
    ...binary(
      'add',
      ([a, b]) => add(a!, b!),
      (a, b) => a + b,
    ),
    errors: [
      {
        name: 'shapes that do not broadcast',
        run: () => add(zeros([2, 3]), zeros([2])),
        code: 'ERR_SHAPE',
        message: 'add: shapes [2, 3] and [2]',
      },
      {
        name: 'two dtypes',
        run: () => add(zeros([2]), tensor([1, 2], { dtype: 'f64' })),
        code: 'ERR_DTYPE',
        message: 'add: ',
      },
    ],
  },
  binary(
    'mul',
    ([a, b]) => mul(a!, b!),
    (a, b) => a * b,
  ),
];
