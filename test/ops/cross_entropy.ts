// cross_entropy with class indices and with probabilities, and nll_loss, which is the same op without the softmax.
import { type CrossEntropyOptions, crossEntropy, nllLoss, type Tensor, tensor } from 'tilegrad';
import {
  defineRows,
  type ErrorRow,
  type InputSpec,
  type NdArray,
  ndarray,
  type OpRows,
  type Sample,
} from '../support/op_rows.ts';

type Options = Omit<CrossEntropyOptions, 'weight'>;

/** What a class of a position adds to its target, before the class weights. */
type Share = (position: number, c: number) => number;

function reference(
  x: NdArray,
  target: NdArray,
  weight: NdArray | null,
  { reduction = 'mean', labelSmoothing = 0, ignoreIndex = -100 }: Options,
  round: (x: number) => number,
  normalize: boolean,
): NdArray {
  const soft = target.data.length === x.data.length && target.shape.length === x.shape.length;
  const dim = x.shape.length > 1 ? 1 : 0;
  const classes = x.shape[dim] as number;
  const inner = x.shape.slice(dim + 1).reduce((a, b) => a * b, 1);
  const positions = x.data.length / classes;
  const at = (p: number, c: number): number => Math.floor(p / inner) * classes * inner + c * inner + (p % inner);
  const w = (c: number): number => weight?.data[c] ?? 1;
  const share: Share = (p, c) =>
    labelSmoothing / classes +
    (1 - labelSmoothing) * (soft ? (target.data[at(p, c)] as number) : target.data[p] === c ? 1 : 0);
  let total = 0;
  let divisor = 0;
  const losses = Array.from({ length: positions }, (_, p) => {
    if (!soft && target.data[p] === ignoreIndex) return 0;
    divisor = round(divisor + (soft ? 1 : w(target.data[p] as number)));
    const row = Array.from({ length: classes }, (_, c) => x.data[at(p, c)] as number);
    const largest = normalize ? Math.max(...row) : 0;
    const sum = row.reduce((s, v) => round(s + round(Math.exp(round(v - largest)))), 0);
    const logSum = normalize ? round(Math.log(sum)) : 0;
    let loss = 0;
    row.forEach((v, c) => {
      const t = round(share(p, c) * w(c));
      if (t !== 0 || soft) loss = round(loss - round(t * round(round(v - largest) - logSum)));
    });
    total = round(total + loss);
    return loss;
  });
  const shape = x.shape.filter((_, d) => d !== dim);
  if (reduction === 'none') return ndarray(shape, (p) => losses[p] as number);
  return ndarray([], () => (reduction === 'mean' ? round(total / divisor) : total));
}

const classIndex = (
  shape: readonly number[],
  values: readonly number[],
  dtype: 'i64' | 'i32' | 'u8' = 'i64',
): InputSpec => ({
  shape,
  values,
  dtype,
});
const weights: InputSpec = { shape: [3], values: [0.5, 2, 1.25], grad: false };
const rows: InputSpec = { shape: [4, 3] };
const some = classIndex([4], [2, 0, 1, 2]);
const image: InputSpec = { shape: [2, 3, 2, 5] };
const pixels = classIndex([2, 2, 5], [0, 1, 2, 0, 1, 2, 2, 2, 0, 0, 1, 0, 1, 1, 1, 2, 0, 0, 2, 1], 'i32');
const distribution: InputSpec = { shape: [4, 3], range: [0, 1] };
const large = Array.from({ length: 64 }, (_, i) => (i * 7) % 10);

const indexSamples: Sample<Options>[] = [
  { inputs: [rows, some, null], attrs: {} },
  { inputs: [rows, some, weights], attrs: { reduction: 'mean' } },
  { inputs: [rows, some, weights], attrs: { reduction: 'sum', ignoreIndex: 2 } },
  { inputs: [rows, classIndex([4], [2, -100, 1, 0]), weights], attrs: { reduction: 'none' } },
  { inputs: [image, pixels, null], attrs: {} },
  { inputs: [image, pixels, weights], attrs: { reduction: 'none', ignoreIndex: 1 } },
  { inputs: [{ shape: [3] }, classIndex([], [1], 'u8'), weights], attrs: {} },
  { name: 'large logits', inputs: [{ shape: [2, 2], values: [500, -500, 499, 500] }, classIndex([2], [0, 0]), null] },
  { name: 'all ignored', inputs: [rows, classIndex([4], [-100, -100, -100, -100]), null], attrs: {}, smooth: false },
];

const smoothed: Sample<Options>[] = [
  { inputs: [rows, some, null], attrs: { labelSmoothing: 0.1 } },
  { inputs: [rows, some, weights], attrs: { labelSmoothing: 0.2, ignoreIndex: 1 } },
  { inputs: [image, pixels, weights], attrs: { labelSmoothing: 0.3, reduction: 'sum' } },
  { inputs: [rows, distribution, null], attrs: {} },
  { inputs: [rows, distribution, weights], attrs: { reduction: 'none', labelSmoothing: 0.25 } },
  { inputs: [image, { shape: [2, 3, 2, 5], range: [0, 1] }, weights], attrs: { reduction: 'mean' } },
  { inputs: [{ shape: [3] }, { shape: [3], range: [0, 1] }, null], attrs: { reduction: 'none' } },
  { inputs: [{ shape: [64, 10] }, classIndex([64], large), null], attrs: {}, dtypes: ['f32'], bench: true },
];

const x = (): Tensor => tensor([[1, 2, 3]]);
const index = (...values: number[]): Tensor => tensor(values, { dtype: 'i64' });
const errors: ErrorRow[] = [
  {
    name: 'too many targets',
    run: () => crossEntropy(x(), index(1, 1)),
    code: 'ERR_SHAPE',
    message: 'cross_entropy: target of class indices must have shape [1] but has [2] (input [1, 3])',
  },
  {
    name: 'probabilities of another shape',
    run: () => crossEntropy(x(), tensor([1])),
    code: 'ERR_SHAPE',
    message: 'cross_entropy: target of class probabilities must have shape [1, 3] but has [1]',
  },
  {
    name: 'one weight for three classes',
    run: () => crossEntropy(x(), index(1), { weight: tensor([1]) }),
    code: 'ERR_SHAPE',
    message: 'cross_entropy: weight must have shape [3] but has [1] (input [1, 3])',
  },
  {
    name: 'smoothing beyond 1',
    run: () => crossEntropy(x(), index(1), { labelSmoothing: 1.5 }),
    code: 'ERR_ARGUMENT',
    message: 'cross_entropy: labelSmoothing must be between 0 and 1 but is 1.5',
  },
  {
    name: 'ignoreIndex with probabilities',
    run: () => crossEntropy(x(), tensor([[0, 1, 0]]), { ignoreIndex: 1 }),
    code: 'ERR_ARGUMENT',
    message: 'cross_entropy: ignoreIndex is 1 but target holds class probabilities',
  },
  {
    name: 'target of i8',
    run: () => crossEntropy(x(), tensor([1], { dtype: 'i8' })),
    code: 'ERR_DTYPE',
    message: 'cross_entropy: target must hold class indices (i64, i32 or u8) or class probabilities but is i8',
  },
];

const dtypes = ['f32', 'f64', 'f16', 'bf16'] as const;

export default [
  defineRows<Options>({
    name: 'cross_entropy',
    covers: ['cross_entropy_input_grad'],
    dtypes,
    family: 'accumulating',
    call: ([input, target, weight], options) => crossEntropy(input!, target!, { weight: weight ?? null, ...options }),
    reference: ([input, target, weight], options, round) =>
      reference(input!, target!, weight ?? null, options ?? {}, round, true),
    samples: [...indexSamples, ...smoothed],
    errors,
  }),
  defineRows<Options>({
    name: 'cross_entropy',
    dtypes,
    family: 'accumulating',
    call: ([input, target, weight], options) => nllLoss(input!, target!, { weight: weight ?? null, ...options }),
    reference: ([input, target, weight], options, round) =>
      reference(input!, target!, weight ?? null, options ?? {}, round, false),
    samples: indexSamples.map((sample) => ({
      ...sample,
      name: `nll_loss ${sample.name ?? JSON.stringify(sample.attrs)}`,
    })),
  }),
] satisfies OpRows<Options>[];
