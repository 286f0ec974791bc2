import * as t from 'tilegrad';
import { all, binary, floats, integers, numbers, unary } from '../support/elementwise_rows.ts';
import { elementwise } from '../support/ndarray.ts';
import { defineRows, type InputSpec } from '../support/op_rows.ts';

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

type Compare = (a: t.Tensor | number, b: t.Tensor | number) => t.Tensor;

const comparison = (name: string, call: Compare, holds: (a: number, b: number) => boolean) =>
  binary(name, call, (a, b) => Number(holds(a, b)), { dtypes: all, family: 'exact', number: 1, result: 'bool' });

const bits = (name: string, call: Compare, fn: (a: number, b: number) => number) =>
  binary(name, call, fn, { dtypes: [...integers, 'bool'], family: 'exact', number: 1 });

const test = (name: string, call: (x: t.Tensor) => t.Tensor, holds: (x: number) => boolean) =>
  unary(name, call, (x) => Number(holds(x)), { dtypes: numbers, family: 'exact', result: 'bool' });

/** Which of the two choices are tensors; the others are the numbers 1 and 0. */
interface Choices {
  a: boolean;
  b: boolean;
}

const mask = (shape: readonly number[]): InputSpec => ({ shape, dtype: 'bool' });
const both: Choices = { a: true, b: true };

const where = defineRows<Choices>({
  name: 'where',
  dtypes: all,
  family: 'exact',
  call: ([condition, x, y], { a, b }) => t.where(condition!, a ? x! : 1, b ? (a ? y! : x!) : 0),
  reference: ([condition, x, y], { a, b }) => {
    const one = { shape: [], data: Float64Array.of(1) };
    const zero = { shape: [], data: Float64Array.of(0) };
    const [first, second] = [a ? x : one, b ? (a ? y : x) : zero];
    return elementwise((c, v, w) => (c !== 0 ? v! : w!), condition!, first!, second!);
  },
  samples: [
    { inputs: [mask([]), { shape: [] }, { shape: [] }], attrs: both },
    { inputs: [mask([37]), { shape: [37] }, { shape: [37] }], attrs: both },
    { inputs: [mask([3, 1]), { shape: [1, 5] }, { shape: [2, 1, 1] }], attrs: both },
    { inputs: [mask([4, 5]), { shape: [5] }, { shape: [] }], attrs: both },
    { inputs: [mask([0, 3]), { shape: [3] }, { shape: [0, 1] }], attrs: both },
    { inputs: [mask([3, 7]), { shape: [3, 7] }], attrs: { a: true, b: false } },
    { inputs: [mask([3, 7]), { shape: [7] }], attrs: { a: false, b: true } },
    {
      name: 'not finite',
      inputs: [
        { shape: [4], dtype: 'bool', values: [1, 0, 0, 1] },
        { shape: [4], values: [nan, nan, inf, -inf] },
        { shape: [4], values: [1, -0, 2, nan] },
      ],
      attrs: both,
      dtypes: floats,
    },
  ],
  errors: [
    {
      name: 'a condition that is no bool',
      run: () => t.where(t.ones([2]), 1, 2),
      code: 'ERR_DTYPE',
      message: 'where: the condition must be a bool tensor but is f32',
    },
    {
      name: 'shapes that do not broadcast',
      run: () => t.where(t.ones([2], { dtype: 'bool' }), t.ones([2]), t.ones([3])),
      code: 'ERR_SHAPE',
      message: 'where: shapes [2] and [3]',
    },
  ],
});

export default [
  comparison('eq', t.eq, (a, b) => a === b),
  comparison('ne', t.ne, (a, b) => a !== b),
  comparison('lt', t.lt, (a, b) => a < b),
  comparison('le', t.le, (a, b) => a <= b),
  comparison('gt', t.gt, (a, b) => a > b),
  comparison('ge', t.ge, (a, b) => a >= b),
  where,
  test('isnan', t.isnan, Number.isNaN),
  test('isinf', t.isinf, (x) => Math.abs(x) === inf),
  test('isfinite', t.isfinite, Number.isFinite),
  unary('logical_not', t.logicalNot, (x) => Number(x === 0), { dtypes: all, family: 'exact', result: 'bool' }),
  comparison('logical_and', t.logicalAnd, (a, b) => a !== 0 && b !== 0),
  comparison('logical_or', t.logicalOr, (a, b) => a !== 0 || b !== 0),
  comparison('logical_xor', t.logicalXor, (a, b) => (a !== 0) !== (b !== 0)),
  unary('bitwise_not', t.bitwiseNot, (x) => ~x, { dtypes: ['i64', 'i32', 'i8'], family: 'exact' }),
  unary('bitwise_not', t.bitwiseNot, (x) => 255 - x, { title: 'bitwiseNot of u8', dtypes: ['u8'], family: 'exact' }),
  unary('bitwise_not', t.bitwiseNot, (x) => 1 - x, { title: 'bitwiseNot of bool', dtypes: ['bool'], family: 'exact' }),
  bits('bitwise_and', t.bitwiseAnd, (a, b) => a & b),
  bits('bitwise_or', t.bitwiseOr, (a, b) => a | b),
  bits('bitwise_xor', t.bitwiseXor, (a, b) => a ^ b),
];
