// Variance, standard deviation, log-sum-exp and norms.
import { logsumexp, norm, std, variance } from 'tilegrad';
import { reduced } from '../support/ndarray.ts';
import { defineRows, type OpRows, type Sample } from '../support/op_rows.ts';
import { commonErrors, dimsOf, floats, needsFloat, type ReduceAttrs, rowsOf, walks } from './reduce.ts';

interface VarAttrs extends ReduceAttrs {
  correction?: number;
}

interface NormAttrs extends ReduceAttrs {
  p?: number;
}

type Round = (x: number) => number;
const total = (values: readonly number[], round: Round): number => values.reduce((a, b) => round(a + b), 0);

function varianceOf(values: readonly number[], correction: number, round: Round): number {
  const mean = round(total(values, round) / values.length);
  const squares = values.map((v) => round(round(v - mean) ** 2));
  return round(total(squares, round) / Math.max(values.length - correction, 0));
}

const wide = <A extends ReduceAttrs>(attrs: A): Sample<A>[] => [
  { inputs: [{ shape: [3, 301], grad: false }], attrs: { ...attrs, dim: 1 } },
  { inputs: [{ shape: [301, 37], grad: false }], attrs: { ...attrs, dim: 0 } },
  { inputs: [{ shape: [70001], grad: false }], attrs, dtypes: ['f32'] },
];

const varSamples: Sample<VarAttrs>[] = [
  ...walks.slice(1),
  { inputs: [{ shape: [2, 5] }], attrs: { dim: 1, correction: 0 } },
  { inputs: [{ shape: [3, 4] }], attrs: { dim: 0, correction: 2, keepdim: true } },
  { name: 'one value', inputs: [{ shape: [3, 1], grad: false }], attrs: { dim: 1 } },
  { name: 'far from 0', inputs: [{ shape: [2, 50], range: [1000, 1001], grad: false }], attrs: { dim: 1 } },
  {
    name: 'squares beyond the range',
    inputs: [{ shape: [2], values: [1e160, -1e160], grad: false }],
    attrs: {},
    dtypes: ['f64'],
  },
  ...[0, 1].map((dim) => ({
    name: `squares beyond the range of f32, along ${dim}`,
    inputs: [
      { shape: [3, 3], values: [1e20, -1e20, 3e20, 2e-22, 5e-22, -1e-22, 3e38, 2.5e38, 3e38], grad: false as const },
    ],
    attrs: { dim },
    dtypes: ['f32'] as const,
  })),
  { name: 'no values', inputs: [{ shape: [2, 0] }], attrs: { dim: 1 }, smooth: false },
  ...wide<VarAttrs>({}),
];

const varRows = (name: 'var' | 'std'): OpRows<VarAttrs> => {
  const call = name === 'var' ? variance : std;
  return defineRows<VarAttrs>({
    name,
    dtypes: floats,
    family: 'accumulating',
    call: ([x], { dim, ...options }) => call(x!, dim, options),
    reference: ([x], attrs, round) =>
      reduced(x!, dimsOf(attrs), attrs.keepdim ?? false, (values) => {
        const v = varianceOf(values, attrs.correction ?? 1, round);
        return name === 'var' ? v : round(Math.sqrt(v));
      }),
    samples: varSamples,
    errors: [...commonErrors(name, (x, dim) => call(x, dim)), needsFloat(name, (x) => call(x))],
  });
};

function normOf(values: readonly number[], p: number, round: Round): number {
  const sizes = values.map(Math.abs);
  if (p === Infinity) return Math.max(...sizes);
  if (p === -Infinity) return Math.min(...sizes);
  if (p === 0) return sizes.filter((v) => v !== 0).length;
  const sum = total(
    sizes.map((v) => round(v ** p)),
    round,
  );
  return round(sum ** (1 / p));
}

const norms: Sample<NormAttrs>[] = [2, 1, 0, Infinity, -Infinity, 3, 0.5].flatMap((p) => [
  { inputs: [{ shape: [7], distinct: true }], attrs: { p } },
  { inputs: [{ shape: [3, 5], distinct: true }], attrs: { p, dim: 1, keepdim: true } },
  { inputs: [{ shape: [2, 3, 4], distinct: true }], attrs: { p, dim: [0, 1] } },
]);

export default [
  varRows('var'),
  varRows('std'),
  rowsOf(
    'logsumexp',
    logsumexp,
    (values, round) => {
      const largest = values.reduce((a, b) => Math.max(a, b), -Infinity);
      const shift = Number.isFinite(largest) ? largest : 0;
      const sum = total(
        values.map((v) => round(Math.exp(round(v - shift)))),
        round,
      );
      return round(shift + round(Math.log(sum)));
    },
    floats,
    {
      samples: [
        ...walks,
        ...wide<ReduceAttrs>({}),
        { name: 'large', inputs: [{ shape: [2, 2], values: [1000, 999, -1000, -1001] }], attrs: { dim: 1 } },
        {
          name: 'infinite',
          inputs: [{ shape: [3, 2], values: [-Infinity, -Infinity, Infinity, 1, -Infinity, 3], grad: false }],
          attrs: { dim: 1 },
        },
        { name: 'none', inputs: [{ shape: [0, 3] }], attrs: { dim: 0 } },
      ],
      errors: [...commonErrors('logsumexp', logsumexp), needsFloat('logsumexp', logsumexp)],
    },
  ),
  defineRows<NormAttrs>({
    name: 'norm',
    covers: ['power_norm'],
    dtypes: floats,
    family: 'accumulating',
    call: ([x], { p, dim, keepdim }) => norm(x!, p, dim, keepdim),
    reference: ([x], attrs, round) =>
      reduced(x!, dimsOf(attrs), attrs.keepdim ?? false, (values) => normOf(values, attrs.p ?? 2, round)),
    samples: [
      ...norms,
      { name: 'all zeros', inputs: [{ shape: [2, 2], values: [0, 0, 3, 4], grad: false }], attrs: { dim: 1 } },
      ...wide<NormAttrs>({ p: 2 }),
    ],
    errors: [needsFloat('norm', (x, dim, keepdim) => norm(x, 2, dim, keepdim))],
  }),
];
