import * as t from 'tilegrad';
import { elementwise } from '../support/ndarray.ts';
import { defineRows, type InputSpec, ndarray, type OpRows } from '../support/op_rows.ts';
import { binary, floats, integers, numbers, type UnaryOptions, unary } from '../support/elementwise_rows.ts';

const { tensor, zeros } = t;
const { NaN: nan, POSITIVE_INFINITY: inf, NEGATIVE_INFINITY: minusInf } = Number;
const signed = [...floats, 'i64', 'i32', 'i8'] as const;
const exact = { family: 'exact', dtypes: numbers } as const;
const positive = { range: [0.5, 3] } as const;

/** As C has it: JavaScript's gives NaN for 1 ** NaN and (-1) ** Infinity. */
const power = (a: number, b: number) => (a === 1 || (a === -1 && Math.abs(b) === inf) ? 1 : a ** b);

const clampRow = (title: string, min: number | null, max: number | null, spec: UnaryOptions = {}) =>
  unary(
    'clamp',
    (x) => t.clamp(x, min, max),
    (x) => (Number.isNaN(x) ? nan : Math.min(Math.max(x, min ?? minusInf), max ?? inf)),
    { ...exact, title, distinct: true, covers: ['clamp_input_grad'], ...spec },
  );

const threeShapes = [
  [[], [], []],
  [[37], [37], [37]],
  [
    [2, 1, 5],
    [3, 1],
    [1, 5],
  ],
  [[5], [4, 5], []],
  [[0, 3], [3], [1]],
] as const;

/** The row of a function of three operands; `attrs.last` stands for the third where only two are tensors. */
const ternary = (
  name: string,
  call: (a: t.Tensor, b: t.Tensor, c: t.Tensor | number) => t.Tensor,
  fn: (round: (x: number) => number, a: number, b: number, c: number) => number,
  dtypes: OpRows['dtypes'],
  last: Partial<InputSpec> = {},
) =>
  defineRows<{ last?: number }>({
    name,
    dtypes,
    family: 'accumulating',
    call: ([a, b, c], attrs) => call(a!, b!, attrs.last ?? c!),
    reference: ([a, b, c], attrs, round) => {
      const third = attrs.last === undefined ? c! : { shape: [], data: Float64Array.of(attrs.last) };
      return elementwise((x, y, z) => fn(round, x!, y!, z!), a!, b!, third);
    },
    samples: [
      ...threeShapes.map(([a, b, c]) => ({
        inputs: [{ shape: a }, { shape: b }, { ...last, shape: c }],
        attrs: {},
      })),
      { inputs: [{ shape: [3, 7] }, { shape: [7] }], attrs: { last: 3 } },
    ],
  });

const addcmul = ternary(
  'addcmul',
  (a, b, c) => t.addcmul(a, b, c, { value: 2 }),
  (round, a, b, c) => round(a + round(round(2 * b) * c)),
  [...floats, 'i64', 'i32'],
);
const addcdiv = ternary(
  'addcdiv',
  (a, b, c) => t.addcdiv(a, b, c, { value: -1.5 }),
  (round, a, b, c) => round(a + round(round(-1.5 * b) / c)),
  floats,
  positive,
);
const lerp = ternary('lerp', t.lerp, (round, a, b, c) => round(a + round(c * round(b - a))), floats, {
  range: [-0.5, 1.5],
});

export default [
  binary('add', t.add, (a, b) => a + b, {
    ...exact,
    errors: [
      {
        name: 'shapes that do not broadcast',
        run: () => t.add(zeros([2, 3]), zeros([2])),
        code: 'ERR_SHAPE',
        message: 'add: shapes [2, 3] and [2]',
      },
      { name: 'two numbers', run: () => t.add(1, 2), code: 'ERR_ARGUMENT', message: 'must be a tensor but is 1' },
      {
        name: 'bool',
        run: () => t.add(tensor([true]), tensor([true])),
        code: 'ERR_DTYPE',
        message: 'add: is defined for numbers, not for bool',
      },
      {
        name: 'a fraction beside integers',
        run: () => t.add(tensor([1, 2], { dtype: 'i32' }), 2.5),
        code: 'ERR_ARGUMENT',
        message: 'add: the number 2.5 does not fit into i32',
      },
      {
        name: 'a number that is too large',
        run: () => t.add(tensor([1, 2], { dtype: 'i8' }), 128),
        code: 'ERR_ARGUMENT',
        message: 'add: the number 128 does not fit into i8',
      },
      {
        name: 'NaN beside integers',
        run: () => t.add(tensor([1n, 2n]), nan),
        code: 'ERR_ARGUMENT',
        message: 'add: the number nan does not fit into i64',
      },
      {
        name: 'a bigint',
        run: () => t.add(tensor([1n]), 1n as unknown as number),
        code: 'ERR_ARGUMENT',
        message: 'add: expects a tensor or a number but got a bigint',
      },
    ],
  }),
  binary('sub', t.sub, (a, b) => a - b, { ...exact, dtypes: signed }),
  binary('sub', t.sub, (a, b) => a - b, {
    ...exact,
    title: 'sub of u8',
    dtypes: ['u8'],
    a: { range: [12, 20] },
    number: 9,
  }),
  binary('mul', t.mul, (a, b) => a * b, exact),
  binary('div', t.div, (a, b) => a / b, {
    family: 'exact',
    b: positive,
    errors: [
      {
        name: 'integers',
        run: () => t.div(tensor([1, 2], { dtype: 'i32' }), 2),
        code: 'ERR_DTYPE',
        message: "div: is defined for floating-point tensors, not for i32; cast it, for example with to('f32')",
      },
    ],
  }),
  binary('pow', t.pow, power, {
    a: positive,
    number: 3,
    errors: [
      {
        name: 'a negative power of integers',
        run: () => t.pow(tensor([1, 2], { dtype: 'i32' }), -1),
        code: 'ERR_ARGUMENT',
        message: 'pow: an integer (i32) has no power of -1',
      },
    ],
  }),
  binary('pow', t.pow, power, { title: 'squares', number: 2, a: positive }),
  binary('pow', t.pow, power, { title: 'pow of integers', dtypes: ['i64', 'i32'], b: { range: [0, 6] }, number: 3 }),
  binary('maximum', t.maximum, Math.max, { ...exact, covers: ['maximum_input_grad'] }),
  binary('minimum', t.minimum, Math.min, exact),
  binary('fmax', t.fmax, (a, b) => (Number.isNaN(a) ? b : Number.isNaN(b) ? a : Math.max(a, b)), exact),
  binary('fmin', t.fmin, (a, b) => (Number.isNaN(a) ? b : Number.isNaN(b) ? a : Math.min(a, b)), exact),
  clampRow('clamp between numbers', -0.5, 1, { dtypes: floats }),
  clampRow('clamp from below', 0.3, null, { dtypes: floats }),
  defineRows({
    name: 'clamp_tensors',
    title: 'clamp between tensors',
    dtypes: floats,
    family: 'exact',
    call: ([x, min, max]) => t.clamp(x!, min, max),
    reference: ([x, min, max]) =>
      elementwise(
        (...[value, a, b]) => Math.min(Math.max(value!, a!), b!),
        x!,
        min ?? ndarray([], () => minusInf),
        max ?? ndarray([], () => inf),
      ),
    samples: [[37], [3, 5]].flatMap((shape) => {
      const [x, min, max] = [{ shape }, { shape: shape.slice(-1) }, { shape: [...shape.slice(0, -1), 1] }];
      return [{ inputs: [x, min, max] }, { inputs: [x, min, null] }, { inputs: [x, null, max] }];
    }),
  }),
  clampRow('clamp of integers', 2, 6, { dtypes: integers }),
  clampRow('clamp of integers from above', null, 4, { dtypes: integers }),
  unary('neg', t.neg, (x) => -x, { ...exact, dtypes: signed }),
  unary('abs', t.abs, Math.abs, { ...exact, distinct: true }),
  unary('square', t.square, (x) => x * x, exact),
  unary('reciprocal', t.reciprocal, (x) => 1 / x, { ...positive, family: 'exact' }),
  addcmul,
  addcdiv,
  lerp,
  unary('sign', t.sign, (x) => (x > 0 ? 1 : x < 0 ? -1 : 0), { ...exact, distinct: true }),
];
