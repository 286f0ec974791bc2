// batch_norm with the statistics of the batch and with running ones, and how it moves those.
import { batchNorm, tensor, zeros } from 'tilegrad';
import { defineRows, type InputSpec, type NdArray, ndarray, type OpRows, type Sample } from '../support/op_rows.ts';

interface Attrs {
  training: boolean;
  eps?: number;
  momentum?: number;
}

type Round = (x: number) => number;

/** The values of each channel of x (N, C, ...), in row-major order. */
function channelsOf({ shape, data }: NdArray): number[][] {
  const inner = shape.slice(2).reduce((a, b) => a * b, 1);
  const channels = Array.from({ length: shape[1] as number }, () => [] as number[]);
  data.forEach((value, i) => {
    channels[Math.floor(i / inner) % channels.length]!.push(value);
  });
  return channels;
}

function statisticsOf(values: readonly number[], round: Round): { mean: number; variance: number } {
  const total = (terms: readonly number[]) => terms.reduce((a, b) => round(a + b), 0);
  const mean = round(total(values) / values.length);
  return { mean, variance: round(total(values.map((v) => round(round(v - mean) ** 2))) / values.length) };
}

function reference(
  [x, weight, bias, runningMean, runningVar]: readonly (NdArray | null | undefined)[],
  { training, eps = 1e-5 }: Attrs,
  round: Round,
): NdArray {
  const inner = x!.shape.slice(2).reduce((a, b) => a * b, 1);
  const statistics = channelsOf(x!).map((values, c) =>
    training ? statisticsOf(values, round) : { mean: runningMean!.data[c]!, variance: runningVar!.data[c]! },
  );
  return ndarray(x!.shape, (i) => {
    const c = Math.floor(i / inner) % statistics.length;
    const { mean, variance } = statistics[c]!;
    const y = round(round(x!.data[i]! - mean) / round(Math.sqrt(round(variance + eps))));
    return round(round(y * (weight?.data[c] ?? 1)) + (bias?.data[c] ?? 0));
  });
}

const of = (c: number): InputSpec => ({ shape: [c] });
const means = (c: number): InputSpec => ({ shape: [c], grad: false });
const variances = (c: number): InputSpec => ({ shape: [c], range: [0.5, 2], grad: false });
const training: Attrs = { training: true };
const samples: Sample<Attrs>[] = [
  { inputs: [{ shape: [4, 3, 2, 2] }, of(3), of(3), null, null], attrs: training },
  { inputs: [{ shape: [6, 5] }, of(5), of(5), null, null], attrs: { training: true, eps: 0.1 } },
  { inputs: [{ shape: [2, 3, 7] }, null, null, null, null], attrs: training },
  { inputs: [{ shape: [3, 2, 2, 2, 2] }, of(2), null, null, null], attrs: training },
  { inputs: [{ shape: [4, 3, 2, 2] }, of(3), of(3), means(3), variances(3)], attrs: { training: false } },
  { inputs: [{ shape: [2, 4] }, null, of(4), means(4), variances(4)], attrs: { training: false, eps: 1e-3 } },
  { inputs: [{ shape: [1, 70] }, of(70), of(70), means(70), variances(70)], attrs: { training: false } },
  { inputs: [{ shape: [300, 37], grad: false }, of(37), of(37), null, null], attrs: training },
  { inputs: [{ shape: [9, 3, 5, 29], grad: false }, of(3), of(3), null, null], attrs: training },
  {
    name: 'far from 0',
    inputs: [{ shape: [30, 2, 5], range: [1000, 1002], grad: false }, null, null, null, null],
    attrs: training,
  },
  { name: 'a table', inputs: [{ shape: [150, 37], grad: false }, of(37), of(37), null, null], attrs: training },
  { name: 'a wide table', inputs: [{ shape: [7, 1033], grad: false }, of(1033), null, null, null], attrs: training },
  {
    name: 'a table of several chunks',
    inputs: [{ shape: [300, 1100], grad: false }, of(1100), of(1100), null, null],
    attrs: training,
    dtypes: ['f32', 'bf16'],
  },
  {
    name: 'a table whose first rows lie far from the others',
    inputs: [
      { shape: [40, 3], values: Array.from({ length: 120 }, (_, i) => (i < 48 ? 3000 : 0) + Math.sin(i)), grad: false },
      ...[null, null, null, null],
    ],
    attrs: training,
    dtypes: ['f32', 'f64'],
  },
  ...[
    [20, 3],
    [10, 3, 8],
  ].map((shape) => ({
    name: `squares beyond f32 [${shape.join(', ')}]`,
    inputs: [{ shape, range: [-2e20, 2e20] as const, grad: false as const }, null, null, null, null],
    attrs: training,
    dtypes: ['f32', 'f64', 'bf16'] as const,
  })),
  {
    name: 'a running table',
    inputs: [{ shape: [9, 20] }, of(20), of(20), means(20), variances(20)],
    attrs: { training: false },
  },
  { inputs: [{ shape: [0, 3, 2] }, of(3), of(3), means(3), variances(3)], attrs: { training: false } },
  {
    inputs: [{ shape: [64, 32, 14, 14], grad: false }, of(32), of(32), null, null],
    attrs: training,
    dtypes: ['f32'],
    bench: true,
  },
];

const dtypes = ['f32', 'f64', 'f16', 'bf16'] as const;

export default [
  defineRows<Attrs>({
    name: 'batch_norm',
    covers: ['batch_norm_grad'],
    dtypes,
    family: 'accumulating',
    call: ([x, weight = null, bias = null, runningMean = null, runningVar = null], options) =>
      batchNorm(x!, runningMean, runningVar, { weight, bias, ...options }),
    reference,
    samples,
    errors: [
      {
        name: 'one dimension',
        run: () => batchNorm(zeros([3]), null, null, training),
        code: 'ERR_SHAPE',
        message: 'batch_norm: x must have at least 2 dimensions but has shape [3]',
      },
      {
        name: 'one value per channel',
        run: () => batchNorm(zeros([1, 3]), null, null, training),
        code: 'ERR_SHAPE',
        message: 'batch_norm: expects more than 1 value per channel in training (x [1, 3])',
      },
      {
        name: 'a weight of another size',
        run: () => batchNorm(zeros([2, 3]), null, null, { training: true, weight: zeros([2]) }),
        code: 'ERR_SHAPE',
        message: 'batch_norm: weight must have shape [3] but has [2] (x [2, 3])',
      },
      {
        name: 'no running statistics',
        run: () => batchNorm(zeros([2, 3]), null, null),
        code: 'ERR_ARGUMENT',
        message: 'batch_norm: needs runningMean and runningVar where it is not training',
      },
      {
        name: 'a running mean alone',
        run: () => batchNorm(zeros([2, 3]), zeros([3]), null),
        code: 'ERR_ARGUMENT',
        message: 'batch_norm: runningMean and runningVar come together',
      },
    ],
  }),
  defineRows<Attrs>({
    name: 'batch_norm_update',
    dtypes,
    family: 'accumulating',
    call: ([x, mean, variance], options) => {
      const [runningMean, runningVar] = [mean!.add(0), variance!.add(0)];
      batchNorm(x!, runningMean, runningVar, options);
      return [runningMean, runningVar];
    },
    reference: ([x, mean, variance], { momentum = 0.1 }, round) => {
      const channels = channelsOf(x!).map((values) => ({ n: values.length, ...statisticsOf(values, round) }));
      const moved = (now: number, to: number): number => round(now + round(momentum * round(to - now)));
      return [
        ndarray(mean!.shape, (c) => moved(mean!.data[c]!, channels[c]!.mean)),
        ndarray(variance!.shape, (c) => {
          const { n, variance: biased } = channels[c]!;
          return moved(variance!.data[c]!, round((biased * n) / (n - 1)));
        }),
      ];
    },
    samples: [
      { inputs: [{ shape: [4, 3, 2], grad: false }, means(3), variances(3)], attrs: training },
      { inputs: [{ shape: [5, 2], grad: false }, means(2), variances(2)], attrs: { training: true, momentum: 0.7 } },
    ],
    differentiable: false,
    errors: [
      {
        name: 'running means in another dtype',
        run: () => batchNorm(zeros([2, 1]), tensor([0], { dtype: 'f64' }), zeros([1]), training),
        code: 'ERR_DTYPE',
        message: 'batch_norm_update',
      },
    ],
  }),
] satisfies OpRows<Attrs>[];
