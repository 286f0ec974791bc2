// Cross-entropy: softmax, its logarithm and the loss in one kernel, and nll_loss, which is the same without the softmax.
import { checkOptions, TilegradError } from '../error.ts';
import { type Attrs, isGradEnabled } from '../graph.ts';
import { defineOp, type GradContext, type Grads } from '../op.ts';
import type { Tensor } from '../tensor.ts';
import { mul, add } from './elementwise.ts';
import { onesLike } from './full.ts';
import { sum } from './reduce.ts';
import { logSoftmax, softmax } from './softmax.ts';
import { reshape } from './views.ts';
import { isFloat } from '../dtype.ts';

/** How the losses of the positions become the result. */
export type Reduction = 'none' | 'mean' | 'sum';

/** Options of `nllLoss`. */
export interface NllLossOptions {
  /** A factor for each class, shape [C]; the mean is over these factors. Default: 1 for all. */
  weight?: Tensor | null | undefined;
  /** Default: 'mean'. */
  reduction?: Reduction | undefined;
  /** Positions with this class index count nothing. Default: -100. */
  ignoreIndex?: number | undefined;
}

/** Options of `crossEntropy`. */
export interface CrossEntropyOptions extends NllLossOptions {
  /** The share of the target, from 0 to 1, that is spread over all classes evenly. Default: 0. */
  labelSmoothing?: number | undefined;
}

const classDim = (rank: number): number => (rank > 1 ? 1 : 0);

/** Per-class values in a shape that broadcasts against the logits. */
const alongClasses = (weight: Tensor, rank: number): Tensor =>
  rank > 2 ? reshape(weight, [-1, ...Array<number>(rank - 2).fill(1)]) : weight;

/** One value for each position, or one for all, against the logits. */
function alongPositions(x: Tensor, logits: readonly number[]): Tensor {
  const dim = classDim(logits.length);
  return x.rank === 0 && logits.length > 1
    ? x
    : reshape(
        x,
        logits.map((size, d) => (d === dim ? 1 : size)),
      );
}

/** The factor of every position in a loss against probabilities. */
function positionFactor(logits: readonly number[], attrs: Attrs): number {
  const count = logits.reduce((n, size, d) => (d === classDim(logits.length) ? n : n * size), 1);
  return (1 - (attrs.label_smoothing as number)) / (attrs.reduction === 'mean' ? count : 1);
}

const entropy = defineOp('cross_entropy', {
  call: (run) => (input: Tensor, target: Tensor, weight: Tensor | null, attrs: Attrs) => {
    if (weight?.requiresGrad && isGradEnabled())
      throw new TilegradError('ERR_UNSUPPORTED', 'cross_entropy: the weight has no gradient; detach() it');
    const [loss, saved] = run.all(weight ? [input, target, weight] : [input, target], attrs) as [Tensor, Tensor];
    saved.dispose(); // the tape keeps its elements
    return loss;
  },
  saves: { inputs: [0, 1, 2], outputs: [1] },
  differentiable: [0],
  grad: (ctx, dout): Grads => {
    const [input, target] = [ctx.input(0), ctx.input(1)];
    const weight = ctx.has(2) ? ctx.input(2) : null;
    const dx = ctx.needs(0)
      ? entropyInputGrad(dout, input, target, weight, ctx.output(1), { ...ctx.attrs, part: 'all' })
      : null;
    if (!ctx.needs(1)) return [dx, null, null].slice(0, ctx.inputCount);
    const { shape } = input;
    const dq = mul(logSoftmax(input, classDim(shape.length)), -positionFactor(shape, ctx.attrs));
    return [dx, mul(weighted(dq, weight), alongPositions(dout, shape)), null].slice(0, ctx.inputCount);
  },
  onnx: (graph, { inputs, inputMeta, attrs }) => {
    if (attrs.label_smoothing !== 0 || isFloat(inputMeta[1]?.dtype ?? 'i64'))
      throw new TilegradError('ERR_UNSUPPORTED', 'cross_entropy: ONNX has neither label smoothing nor soft targets');
    return graph.node(attrs.normalize ? 'SoftmaxCrossEntropyLoss' : 'NegativeLogLikelihoodLoss', inputs, {
      reduction: attrs.reduction as string,
      ignore_index: attrs.ignore_index as number,
    });
  },
});

const weighted = (x: Tensor, weight: Tensor | null): Tensor => (weight ? mul(x, alongClasses(weight, x.rank)) : x);

// f = s (W p - t): s the gradient of the position's loss, p the softmax, t the weighted target, W its sum. With part
// 'softmax' only r = s W p, which the derivative of f for the logits is made of: r v - p <r, v>.
const entropyInputGrad = defineOp('cross_entropy_input_grad', {
  call:
    (run) =>
    (dout: Tensor, input: Tensor, target: Tensor, weight: Tensor | null, saved: Tensor, attrs: Attrs): Tensor =>
      run(weight ? [input, target, dout, saved, weight] : [input, target, dout, saved], attrs),
  saves: { inputs: 'all' },
  grad: (ctx, v): Grads => {
    const [input, target, dout, saved] = [ctx.input(0), ctx.input(1), ctx.input(2), ctx.input(3)];
    const weight = ctx.has(4) ? ctx.input(4) : null;
    const dim = classDim(input.rank);
    const rerun = (scale: Tensor, part: string): Tensor =>
      entropyInputGrad(scale, input, target, weight, saved, { ...ctx.attrs, part });
    const dDout = ctx.needs(2)
      ? sum(mul(v, rerun(onesLike(dout), ctx.attrs.part as string)), dout.rank > 0 || input.rank === 1 ? dim : null)
      : null;
    let dInput: Tensor | null = null;
    if (ctx.needs(0) && ctx.attrs.normalize) {
      const rv = mul(v, rerun(dout, 'softmax'));
      dInput = add(rv, mul(mul(softmax(input, dim), sum(rv, dim, true)), -1));
    }
    return [dInput, ctx.needs(1) ? targetGrad(ctx, v) : null, dDout, null, null].slice(0, ctx.inputCount);
  },
  onnx: 'none',
});

/** What moves f when the probabilities q move: t_c is a w_c q_c and more, W the sum of all t_c. */
function targetGrad(ctx: GradContext, v: Tensor): Tensor {
  const [input, dout] = [ctx.input(0), ctx.input(2)];
  const dim = classDim(input.rank);
  const along = sum(mul(v, softmax(input, dim)), dim, true);
  const moved = ctx.attrs.part === 'all' ? add(along, mul(v, -1)) : along;
  const scaled = mul(
    weighted(mul(moved, onesLike(input)), ctx.has(4) ? ctx.input(4) : null),
    alongPositions(dout, input.shape),
  );
  return mul(scaled, positionFactor(input.shape, ctx.attrs));
}

/**
 * The cross-entropy of `input`, logits (N, C, ...) or (C), against `target`: class indices (N, ...) in i64, i32 or u8,
 * or probabilities of the classes in the shape and dtype of `input`. Gives one value, or with reduction 'none' one for
 * each position. The mean is over the weights of the targets, so NaN where all are ignored. Throws ERR_SHAPE,
 * ERR_DTYPE, ERR_ARGUMENT; an index out of range is ERR_ARGUMENT at the next await. As torch.nn.functional.cross_entropy.
 */
export function crossEntropy(input: Tensor, target: Tensor, options: CrossEntropyOptions = {}): Tensor {
  checkOptions('crossEntropy', options, ['weight', 'reduction', 'ignoreIndex', 'labelSmoothing']);
  return entropy(input, target, options.weight ?? null, {
    reduction: options.reduction ?? 'mean',
    label_smoothing: options.labelSmoothing ?? 0,
    ignore_index: options.ignoreIndex ?? -100,
    normalize: true,
  });
}

/**
 * The negative of the log-probabilities `input` (N, C, ...) or (C) at the class indices `target` (N, ...), i64, i32 or
 * u8. Reduction, weights and errors as in {@link crossEntropy}. As torch.nn.functional.nll_loss.
 */
export function nllLoss(input: Tensor, target: Tensor, options: NllLossOptions = {}): Tensor {
  checkOptions('nllLoss', options, ['weight', 'reduction', 'ignoreIndex']);
  return entropy(input, target, options.weight ?? null, {
    reduction: options.reduction ?? 'mean',
    label_smoothing: 0,
    ignore_index: options.ignoreIndex ?? -100,
    normalize: false,
  });
}
