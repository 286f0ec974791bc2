import * as t from 'tilegrad';
import { floats, numbers, type UnaryOptions, unary } from '../support/elementwise_rows.ts';
import { defineRows, type NdArray, ndarray } from '../support/op_rows.ts';
import { erfc } from '../support/special_functions.ts';

const { NEGATIVE_INFINITY: minusInf, POSITIVE_INFINITY: inf } = Number;

const sigmoid = (x: number) => (x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x)));
const clamp = (x: number, min: number, max: number) => Math.min(Math.max(x, min), max);
const eluOf = (x: number, alpha: number) => (x > 0 ? x : alpha * Math.expm1(x));
const [seluAlpha, seluScale] = [1.6732632423543772, 1.0507009873554805];

function geluTanh(x: number): number {
  const z = 2 * Math.sqrt(2 / Math.PI) * x * (1 + 0.044715 * x * x);
  return x === minusInf ? -0 : x / (1 + Math.exp(-z));
}

// tanh(log(1 + e^x)) without the logarithm: ((1 + e)^2 - 1) / ((1 + e)^2 + 1).
function mish(x: number): number {
  const e = Math.exp(Math.min(x, 30));
  const n = e * (e + 2);
  return x === minusInf ? -0 : x * (n / (n + 2));
}

const row = (name: string, call: (x: t.Tensor) => t.Tensor, fn: (x: number) => number, options: UnaryOptions = {}) =>
  unary(name, call, fn, { covers: [`${name}_input_grad`], ...options });

/** A slope for all, or one for each place of dimension 1. */
function preluOf({ shape, data }: NdArray, slopes: NdArray): NdArray {
  const inner = shape.slice(2).reduce((n, size) => n * size, 1);
  return ndarray(shape, (i) => {
    const value = data[i] as number;
    return value > 0 ? value : value * (slopes.data[Math.floor(i / inner) % slopes.data.length] as number);
  });
}

export default [
  row('relu', t.relu, (x) => Math.max(x, 0), { dtypes: numbers, family: 'exact', distinct: true }),
  row('hardtanh', t.hardtanh, (x) => clamp(x, -1, 1), {
    family: 'exact',
    errors: [
      {
        name: 'bounds that cross',
        run: () => t.hardtanh(t.ones([2]), { minVal: 2, maxVal: 1 }),
        code: 'ERR_ARGUMENT',
        message: 'hardtanh: minVal 2 is not below maxVal 1',
      },
      {
        name: 'an option that it does not have',
        run: () => t.hardtanh(t.ones([2]), { minval: 2 } as object),
        code: 'ERR_ARGUMENT',
        message: "hardtanh: unknown option 'minval', did you mean 'minVal'?",
      },
    ],
  }),
  row('hardtanh', t.relu6, (x) => clamp(x, 0, 6), { title: 'relu6', range: [-3, 9], family: 'exact' }),
  row('leaky_relu', t.leakyRelu, (x) => (x > 0 ? x : 0.01 * x), { distinct: true }),
  row(
    'leaky_relu',
    (x) => t.leakyRelu(x, { negativeSlope: 0.25 }),
    (x) => (x > 0 ? x : 0.25 * x),
    {
      title: 'leakyRelu with a slope',
      distinct: true,
    },
  ),
  defineRows({
    name: 'prelu',
    covers: ['prelu_input_grad', 'prelu_weight_grad'],
    dtypes: floats,
    family: 'elementwise',
    call: ([x, weight]) => t.prelu(x!, weight!),
    reference: ([x, weight]) => preluOf(x!, weight!),
    samples: [
      { inputs: [{ shape: [3, 5], distinct: true }, { shape: [5] }] },
      { inputs: [{ shape: [2, 3, 7], distinct: true }, { shape: [3] }] },
      { inputs: [{ shape: [1037], distinct: true }, { shape: [1] }] },
      { inputs: [{ shape: [0, 2] }, { shape: [2] }] },
      {
        name: 'special values',
        inputs: [
          { shape: [2, 5], values: [inf, minusInf, 0, -0, Number.NaN, 1e-40, -1e-40, 3e38, -3e38, -1], grad: false },
          { shape: [5], values: [0.5, -1, 2, 0.25, 4], grad: false },
        ],
        dtypes: ['f32', 'f64'],
      },
    ],
    timed: [{ inputs: [{ shape: [1024, 1024] }, { shape: [1024] }] }],
  }),
  row('elu', t.elu, (x) => eluOf(x, 1), { distinct: true }),
  row(
    'elu',
    (x) => t.elu(x, { alpha: 0.5 }),
    (x) => eluOf(x, 0.5),
    { title: 'elu with alpha', distinct: true },
  ),
  row('elu', t.selu, (x) => seluScale * eluOf(x, seluAlpha), { title: 'selu', distinct: true }),
  row('elu', t.celu, (x) => eluOf(x, 1), { title: 'celu', distinct: true }),
  row(
    'elu',
    (x) => t.celu(x, { alpha: 2 }),
    (x) => (x > 0 ? x : 2 * Math.expm1(x / 2)),
    {
      title: 'celu with alpha',
      distinct: true,
    },
  ),
  row('sigmoid', t.sigmoid, sigmoid),
  unary('logsigmoid', t.logsigmoid, (x) => Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)))),
  row('softplus', t.softplus, (x) => (x > 20 ? x : Math.log1p(Math.exp(x)))),
  row(
    'softplus',
    (x) => t.softplus(x, { beta: 2, threshold: 3 }),
    (x) => (2 * x > 3 ? x : Math.log1p(Math.exp(2 * x)) / 2),
    { title: 'softplus with beta and threshold' },
  ),
  row('gelu', t.gelu, (x) => (x === minusInf ? -0 : 0.5 * x * erfc(x * -Math.SQRT1_2)), {
    more: [-3, -8, -12.9, 8],
    errors: [
      {
        name: 'an unknown approximation',
        run: () => t.gelu(t.ones([2]), { approximate: 'erf' as 'tanh' }),
        code: 'ERR_ARGUMENT',
        message: "gelu: approximate must be 'none' or 'tanh' but is 'erf'",
      },
    ],
  }),
  // In f64 the rounded argument of the exponential shows in the last bits of what is small.
  row('gelu_tanh', (x) => t.gelu(x, { approximate: 'tanh' }), geluTanh, {
    title: 'gelu by tanh',
    family: 'accumulating',
    special: false,
  }),
  row('silu', t.silu, (x) => (x === minusInf ? -0 : x * sigmoid(x))),
  row('mish', t.mish, mish, { more: [19.9, 20.1] }),
  row('hardsigmoid', t.hardsigmoid, (x) => clamp(x + 3, 0, 6) / 6, { range: [-5, 5], more: [3, -3, -2.999] }),
  row('hardswish', t.hardswish, (x) => (x * clamp(x + 3, 0, 6)) / 6, { range: [-5, 5], more: [3, -3, -2.999] }),
  unary('softsign', t.softsign, (x) => x / (1 + Math.abs(x))),
];
