// The elementwise losses, by their public functions.
import { type DType, nn, type Tensor } from 'tilegrad';
import { floats } from '../support/elementwise_rows.ts';
import { elementwise } from '../support/ndarray.ts';
import { defineRows } from '../support/op_rows.ts';

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const F = nn.functional;
const none = { reduction: 'none' } as const;

const values = [nan, inf, -inf, 0, -0, 1, -1, 0.5, -3, 1e-40, 3e38, -1e20, 1e-20];
const [first, second] = [values.flatMap((v) => values.map(() => v)), values.flatMap(() => values)];

const row = (name: string, title: string, call: (a: Tensor, b: Tensor) => Tensor, fn: (d: number) => number) =>
  defineRows({
    name,
    title,
    covers: [`${name}_input_grad`],
    dtypes: floats,
    family: 'elementwise',
    call: ([a, b]) => call(a!, b!),
    reference: ([a, b]) => elementwise((x, y) => fn(x! - y!), a!, b!),
    samples: [
      ...[[], [1], [7], [3, 17], [2, 3, 5], [1037], [0]].map((shape) => ({ inputs: [{ shape }, { shape }] })),
      {
        name: 'special values',
        inputs: [first, second].map((list) => ({ shape: [list.length], values: list, grad: false as const })),
        dtypes: ['f32', 'f64'] as readonly DType[],
      },
    ],
    timed: [{ inputs: [{ shape: [1024, 1024] }, { shape: [1024, 1024] }] }],
  });

const bent = (d: number, delta: number, curve: number, slope: number): number =>
  Math.abs(d) >= delta ? slope * (Math.abs(d) - delta / 2) : curve * d * d;

const likelihood = (p: number, t: number): number =>
  p >= 0 && p <= 1 ? (t - 1) * Math.max(Math.log1p(-p), -100) - t * Math.max(Math.log(p), -100) : nan;

const likelihoodOf = (logit: number, t: number): number =>
  (logit < 0 ? -logit * t : logit * (1 - t)) + Math.log1p(Math.exp(-Math.abs(logit)));

/** Losses of a logit or the logarithm of a rate. */
const ofLogarithms = (
  name: string,
  title: string,
  call: (a: Tensor, b: Tensor) => Tensor,
  fn: (a: number, b: number) => number,
  family: 'elementwise' | 'accumulating',
) =>
  defineRows({
    name,
    title,
    covers: [`${name}_input_grad`],
    dtypes: floats,
    family,
    call: ([a, b]) => call(a!, b!),
    reference: ([a, b]) => elementwise(fn, a!, b!),
    samples: [
      ...[[], [7], [3, 17], [1037], [0]].map((shape) => ({
        inputs: [
          { shape, range: [-4, 4] as const },
          { shape, range: [0, 1] as const },
        ],
      })),
      {
        name: 'on both sides',
        inputs: [
          { shape: [10], values: [20, -20, 60, -60, 0, -0, nan, 5, 1e-20, -8], grad: false as const },
          { shape: [10], values: [1, 0, 1, 0, 1, 0, 1, nan, 0.5, 1], grad: false as const },
        ],
        dtypes: ['f32', 'f64'] as readonly DType[],
      },
    ],
    timed: [{ inputs: [{ shape: [1024, 1024] }, { shape: [1024, 1024], range: [0, 1] }] }],
  });

export default [
  row(
    'mse_loss',
    'mseLoss',
    (a, b) => F.mseLoss(a, b, none),
    (d) => d * d,
  ),
  row('l1_loss', 'l1Loss', (a, b) => F.l1Loss(a, b, none), Math.abs),
  row(
    'huber_loss',
    'huberLoss',
    (a, b) => F.huberLoss(a, b, { ...none, delta: 2 }),
    (d) => bent(d, 2, 0.5, 2),
  ),
  row(
    'huber_loss',
    'smoothL1Loss',
    (a, b) => F.smoothL1Loss(a, b, { ...none, beta: 0.5 }),
    (d) => bent(d, 0.5, 1, 1),
  ),
  ofLogarithms(
    'bce_logits_loss',
    'binaryCrossEntropyWithLogits',
    (a, b) => F.binaryCrossEntropyWithLogits(a, b, none),
    likelihoodOf,
    'elementwise',
  ),
  ofLogarithms(
    'poisson_loss',
    'poissonNllLoss',
    (a, b) => F.poissonNllLoss(a, b, none),
    (a, b) => Math.exp(a) - b * a,
    'accumulating',
  ),
  defineRows({
    name: 'bce_loss',
    title: 'binaryCrossEntropy',
    covers: ['bce_loss_input_grad'],
    dtypes: floats,
    family: 'elementwise',
    call: ([p, t]) => F.binaryCrossEntropy(p!, t!, none),
    reference: ([p, t]) => elementwise(likelihood, p!, t!),
    samples: [
      ...[[], [7], [3, 17], [1037], [0]].map((shape) => ({
        inputs: [
          { shape, range: [0.1, 0.9] as const },
          { shape, range: [0, 1] as const },
        ],
      })),
      {
        name: 'probabilities of 0 and 1, and none',
        inputs: [
          { shape: [10], values: [0, 0, 1, 1, 0, 1, 1e-40, nan, -0.5, 1.5], grad: false as const },
          { shape: [10], values: [0, 1, 0, 1, 0.5, 0.5, 0.25, 0.5, 0.5, 0.5], grad: false as const },
        ],
        dtypes: ['f32', 'f64'] as readonly DType[],
      },
    ],
    timed: [
      {
        inputs: [
          { shape: [1024, 1024], range: [0.1, 0.9] },
          { shape: [1024, 1024], range: [0, 1] },
        ],
      },
    ],
  }),
];
