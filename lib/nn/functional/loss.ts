// Losses made of ops. Those fused with a softmax are ops of their own.
import { checkOptions, TilegradError } from '../../error.ts';
import {
  add,
  div,
  eq,
  exp,
  lt,
  log,
  logsigmoid,
  mean,
  mul,
  neg,
  type Reduction,
  sub,
  sum,
  where,
} from '../../ops/index.ts';
import {
  absoluteError,
  bentError,
  logitLoss,
  negativeLogLikelihood,
  poissonLoss,
  squaredError,
} from '../../ops/losses.ts';
import { type Shape, Tensor } from '../../tensor.ts';

/** Options that losses share. */
export interface LossOptions {
  /** The mean over all elements (the default), their sum, or each by itself. */
  readonly reduction?: Reduction | undefined;
}

/** @internal */
export function reduceLoss(user: string, loss: Tensor, reduction: Reduction = 'mean'): Tensor {
  if (reduction === 'none') return loss;
  if (reduction === 'sum') return sum(loss);
  if (reduction === 'mean') return mean(loss);
  throw new TilegradError('ERR_ARGUMENT', `${user}: reduction must be 'mean', 'sum' or 'none' but is '${reduction}'`);
}

const dims = (shape: Shape): string => `[${shape.join(', ')}]`;

/** Throws ERR_SHAPE unless the shapes are equal: a broadcast in a loss is nearly always a mistake. */
function checkSame(user: string, input: Tensor, target: Tensor): void {
  for (const [name, tensor] of Object.entries({ input, target }))
    if (!(tensor instanceof Tensor)) throw new TilegradError('ERR_ARGUMENT', `${user}: ${name} must be a tensor`);
  if (dims(input.shape) !== dims(target.shape))
    throw new TilegradError(
      'ERR_SHAPE',
      `${user}: input and target must have one shape but have ${dims(input.shape)} and ${dims(target.shape)}`,
    );
}

/** The squared differences. Throws ERR_SHAPE unless the shapes are equal. As torch.nn.functional.mse_loss. */
export function mseLoss(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  checkOptions('mseLoss', options, ['reduction']);
  checkSame('mseLoss', input, target);
  return reduceLoss('mseLoss', squaredError(input, target), options.reduction);
}

/** The absolute differences. Throws ERR_SHAPE unless the shapes are equal. As torch.nn.functional.l1_loss. */
export function l1Loss(input: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  checkOptions('l1Loss', options, ['reduction']);
  checkSame('l1Loss', input, target);
  return reduceLoss('l1Loss', absoluteError(input, target), options.reduction);
}

/** Options of `smoothL1Loss`. */
export interface SmoothL1LossOptions extends LossOptions {
  /** Where the parabola meets the straight lines. Default: 1. */
  readonly beta?: number | undefined;
}

/**
 * For a difference d: d^2 / (2 beta) where |d| < beta, else |d| - beta / 2. Throws ERR_SHAPE unless the shapes are equal.
 * As torch.nn.functional.smooth_l1_loss.
 */
export function smoothL1Loss(input: Tensor, target: Tensor, options: SmoothL1LossOptions = {}): Tensor {
  checkOptions('smoothL1Loss', options, ['reduction', 'beta']);
  checkSame('smoothL1Loss', input, target);
  const { beta = 1, reduction } = options;
  if (!(beta >= 0)) throw new TilegradError('ERR_ARGUMENT', `smoothL1Loss: beta must be from 0 up but is ${beta}`);
  if (beta === 0) return l1Loss(input, target, { reduction });
  const loss = bentError(input, target, { delta: beta, curve: 0.5 / beta, slope: 1 });
  return reduceLoss('smoothL1Loss', loss, reduction);
}

/** Options of `huberLoss`. */
export interface HuberLossOptions extends LossOptions {
  /** Where the parabola meets the straight lines, above 0. Default: 1. */
  readonly delta?: number | undefined;
}

/**
 * For a difference d: d^2 / 2 where |d| < delta, else delta (|d| - delta / 2). Throws ERR_SHAPE unless the shapes are
 * equal. As torch.nn.functional.huber_loss.
 */
export function huberLoss(input: Tensor, target: Tensor, options: HuberLossOptions = {}): Tensor {
  checkOptions('huberLoss', options, ['reduction', 'delta']);
  const { delta = 1, reduction } = options;
  if (!(delta > 0)) throw new TilegradError('ERR_ARGUMENT', `huberLoss: delta must be above 0 but is ${delta}`);
  checkSame('huberLoss', input, target);
  const loss = bentError(input, target, { delta, curve: 0.5, slope: delta });
  return reduceLoss('huberLoss', loss, reduction);
}

/** Options of `binaryCrossEntropy`. */
export interface BinaryCrossEntropyOptions extends LossOptions {
  /** A factor for each element, which broadcasts. Default: 1. */
  readonly weight?: Tensor | null | undefined;
}

const weighted = (loss: Tensor, weight: Tensor | null | undefined): Tensor => (weight ? mul(loss, weight) : loss);

/**
 * -(t log p + (1 - t) log(1 - p)) for probabilities p in `input` and t in `target`; logarithms stop at -100, the slope at
 * 1e12. Prefer {@link binaryCrossEntropyWithLogits}. Throws ERR_SHAPE unless the shapes are equal. As
 * torch.nn.functional.binary_cross_entropy, whose values outside of [0, 1] give NaN here.
 */
export function binaryCrossEntropy(input: Tensor, target: Tensor, options: BinaryCrossEntropyOptions = {}): Tensor {
  checkOptions('binaryCrossEntropy', options, ['weight', 'reduction']);
  checkSame('binaryCrossEntropy', input, target);
  return reduceLoss(
    'binaryCrossEntropy',
    weighted(negativeLogLikelihood(input, target), options.weight),
    options.reduction,
  );
}

/** Options of `binaryCrossEntropyWithLogits`. */
export interface BinaryCrossEntropyWithLogitsOptions extends BinaryCrossEntropyOptions {
  /** A factor of the positive part of each class, which broadcasts. Default: 1. */
  readonly posWeight?: Tensor | null | undefined;
}

/**
 * Binary cross-entropy of the sigmoid of `input`, exact also where that is 0 or 1. Throws ERR_SHAPE unless the shapes are
 * equal. As torch.nn.functional.binary_cross_entropy_with_logits.
 */
export function binaryCrossEntropyWithLogits(
  input: Tensor,
  target: Tensor,
  options: BinaryCrossEntropyWithLogitsOptions = {},
): Tensor {
  const user = 'binaryCrossEntropyWithLogits';
  checkOptions(user, options, ['weight', 'posWeight', 'reduction']);
  checkSame(user, input, target);
  const { weight, posWeight, reduction } = options;
  let loss: Tensor;
  if (posWeight) {
    const cost = mul(neg(logsigmoid(input)), add(mul(target, sub(posWeight, 1)), 1));
    loss = add(mul(sub(1, target), input), cost);
  } else {
    loss = logitLoss(input, target);
  }
  return reduceLoss(user, weighted(loss, weight), reduction);
}

/** Options of `klDiv`. */
export interface KlDivOptions {
  /** As of other losses, or 'batchmean': the sum divided by the size of the first dimension. Default: 'mean'. */
  readonly reduction?: Reduction | 'batchmean' | undefined;
  /** Whether the target is given as its logarithm. Default: false. */
  readonly logTarget?: boolean | undefined;
}

/**
 * t (log t - x) for log-probabilities x in `input` and probabilities t in `target`, 0 where t is 0 and NaN where it is
 * negative: the divergence of the target from the input when summed. As torch.nn.functional.kl_div.
 */
export function klDiv(input: Tensor, target: Tensor, options: KlDivOptions = {}): Tensor {
  checkOptions('klDiv', options, ['reduction', 'logTarget']);
  checkSame('klDiv', input, target);
  const { reduction, logTarget = false } = options;
  let loss: Tensor;
  if (logTarget) {
    loss = mul(exp(target), sub(target, input));
  } else {
    const zero = eq(target, 0);
    const safe = where(zero, 1, target);
    loss = sub(where(zero, 0, mul(safe, log(safe))), mul(target, input));
  }
  return reduction === 'batchmean' ? div(sum(loss), input.size(0)) : reduceLoss('klDiv', loss, reduction);
}

/** Options of `poissonNllLoss`. */
export interface PoissonNllLossOptions extends LossOptions {
  /** Whether `input` is the logarithm of the rate. Default: true. */
  readonly logInput?: boolean | undefined;
  /** Adds Stirling's approximation of log(target!). Default: false. */
  readonly full?: boolean | undefined;
  /** Keeps the logarithm from 0 where `input` is the rate. Default: 1e-8. */
  readonly eps?: number | undefined;
}

/** rate - target log(rate), the negative log-likelihood of counts. As torch.nn.functional.poisson_nll_loss. */
export function poissonNllLoss(input: Tensor, target: Tensor, options: PoissonNllLossOptions = {}): Tensor {
  checkOptions('poissonNllLoss', options, ['logInput', 'full', 'eps', 'reduction']);
  const { logInput = true, full = false, eps = 1e-8, reduction } = options;
  let loss = logInput ? poissonLoss(input, target) : sub(input, mul(target, log(add(input, eps))));
  if (full) {
    const large = lt(1, target);
    const safe = where(large, target, 2);
    const stirling = add(sub(mul(safe, log(safe)), safe), mul(log(mul(safe, 2 * Math.PI)), 0.5));
    loss = add(loss, where(large, stirling, 0));
  }
  return reduceLoss('poissonNllLoss', loss, reduction);
}
