// Batch normalization.
import { checkOptions, TilegradError } from '../error.ts';
import { type Attrs, noGrad } from '../graph.ts';
import { defineOp, type GradContext, type Grads } from '../op.ts';
import type { Tensor } from '../tensor.ts';
import { withOptional } from './arguments.ts';
import { mul, sub } from './elementwise.ts';
import { callNormalizationGrad, normalizationGrads, standardize, standardizeGrad } from './normalization.ts';
import { mean, sum } from './reduce.ts';
import { reshape } from './views.ts';

/** Options of `batchNorm`. */
export interface BatchNormOptions {
  /** A factor for each channel, [C]. Default: 1. */
  weight?: Tensor | null | undefined;
  /** A summand for each channel, [C]. Default: 0. */
  bias?: Tensor | null | undefined;
  /** Normalizes by the statistics of the batch. Default: false. */
  training?: boolean | undefined;
  /** The share of the batch in the running statistics. Default: 0.1. */
  momentum?: number | undefined;
  /** Added to the variance. Default: 1e-5. */
  eps?: number | undefined;
}

const normalization = defineOp('batch_norm', {
  call: (run) => (x: Tensor, rest: readonly (Tensor | null)[], attrs: Attrs) =>
    run.all(withOptional([x], rest), attrs) as [Tensor, Tensor, Tensor],
  saves: { inputs: [0, 1], outputs: [1, 2] },
  differentiable: [0],
  grad: (ctx, dout): Grads =>
    normalizationGrads(
      ctx,
      dout,
      (given, weight) => normalizationGrad(given, weight, { training: ctx.attrs.training as boolean }),
      (above, x, weight) => gradients(above, x, weight, ctx),
    ),
  onnx: (graph, { inputs, inputMeta, attrs }) => {
    if (attrs.training)
      throw new TilegradError('ERR_UNSUPPORTED', 'batch_norm: a model in training is not exported; call eval() first');
    const channels = inputMeta[0]?.shape[1] ?? 0;
    const filled = (i: number, value: number): string =>
      inputMeta[i] ? (inputs[i] as string) : graph.constant(Array<number>(channels).fill(value), inputMeta[0]?.dtype);
    return graph.node(
      'BatchNormalization',
      [inputs[0] as string, filled(1, 1), filled(2, 0), inputs[3] as string, inputs[4] as string],
      { epsilon: attrs.eps as number },
    );
  },
});

const normalizationGrad = defineOp('batch_norm_grad', {
  call: callNormalizationGrad,
  grad: 'none',
  onnx: 'none',
});

/** What the kernel of batch_norm_grad computes, as a function of x that has gradients. */
function gradients(dout: Tensor, x: Tensor, weight: Tensor | null, ctx: GradContext): Tensor[] {
  const dims = [...x.shape.keys()].filter((d) => d !== 1);
  const along = (v: Tensor): Tensor =>
    reshape(
      v,
      x.shape.map((_, d) => (d === 1 ? -1 : 1)),
    );
  const average = (v: Tensor): Tensor => mean(v, dims, true);
  const given = weight ? mul(dout, along(weight)) : dout;
  if (ctx.attrs.training) {
    const standard = standardize(x, average, ctx.attrs.eps as number);
    return [standardizeGrad(given, standard, average), sum(mul(dout, standard[0]), dims), sum(dout, dims)];
  }
  const [center, rstd] = [along(ctx.output(1).detach()), along(ctx.output(2).detach())];
  return [mul(rstd, given), sum(mul(dout, mul(sub(x, center), rstd)), dims), sum(dout, dims)];
}

const update = defineOp('batch_norm_update', {
  call:
    (run) =>
    (runningMean: Tensor, runningVar: Tensor, mean: Tensor, rstd: Tensor, attrs: Attrs): void => {
      run.all([runningMean, runningVar, mean, rstd], attrs);
    },
  writes: () => 2,
  grad: 'none',
  onnx: 'none',
});

/**
 * `x` (N, C, ...) less the mean of its channel, over the square root of its variance plus `eps`, times `weight` plus
 * `bias`. In training the statistics are those of the batch, and `runningMean` and `runningVar` [C], if given, are moved
 * towards them in place (the variance unbiased); else they are the running ones. Throws ERR_SHAPE where `x` has fewer than 2 dimensions, where sizes differ, and for a single
 * value per channel in training; ERR_DTYPE; ERR_ARGUMENT. As torch.nn.functional.batch_norm.
 */
export function batchNorm(
  x: Tensor,
  runningMean: Tensor | null,
  runningVar: Tensor | null,
  options: BatchNormOptions = {},
): Tensor {
  checkOptions('batchNorm', options, ['weight', 'bias', 'training', 'momentum', 'eps']);
  const { weight = null, bias = null } = options;
  const { training = false, momentum = 0.1, eps = 1e-5 } = options;
  if ((runningMean === null) !== (runningVar === null))
    throw new TilegradError('ERR_ARGUMENT', 'batch_norm: runningMean and runningVar come together');
  const running = training ? [] : [runningMean, runningVar];
  const [y, mean, rstd] = normalization(x, [weight, bias, ...running], { training, eps });
  // An empty batch has no statistics.
  if (training && runningMean && runningVar && x.numel > 0) {
    const count = x.numel / (x.shape[1] as number);
    noGrad(() => update(runningMean, runningVar, mean, rstd, { momentum, eps, count }));
  }
  mean.dispose(); // the tape keeps their elements
  rstd.dispose();
  return y;
}
