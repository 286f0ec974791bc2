// Distances between vectors, and the losses that compare them.
import { checkOptions, TilegradError } from '../../error.ts';
import {
  add,
  clamp,
  gather,
  indexSelect,
  reshape,
  div,
  eq,
  log,
  logsigmoid,
  minimum,
  mul,
  neg,
  norm,
  relu,
  sqrt,
  square,
  sub,
  sum,
  where,
} from '../../ops/index.ts';
import type { Tensor } from '../../tensor.ts';
import { type LossOptions, reduceLoss } from './loss.ts';

/** Options of `cosineSimilarity`. */
export interface CosineSimilarityOptions {
  /** Default: 1. */
  readonly dim?: number | undefined;
  /** The smallest norm that is divided by. Default: 1e-8. */
  readonly eps?: number | undefined;
}

/** The cosine of the angle between vectors along `dim`. As torch.nn.functional.cosine_similarity. */
export function cosineSimilarity(x1: Tensor, x2: Tensor, options: CosineSimilarityOptions = {}): Tensor {
  checkOptions('cosineSimilarity', options, ['dim', 'eps']);
  const { dim = 1, eps = 1e-8 } = options;
  return div(sum(mul(x1, x2), dim), mul(clamp(norm(x1, 2, dim), eps), clamp(norm(x2, 2, dim), eps)));
}

/** Options of `pairwiseDistance`. */
export interface PairwiseDistanceOptions {
  /** The norm. Default: 2. */
  readonly p?: number | undefined;
  /** Added to the differences. Default: 1e-6. */
  readonly eps?: number | undefined;
  /** Leaves the last dimension with size 1. Default: false. */
  readonly keepdim?: boolean | undefined;
}

/** The p-norm of x1 - x2 + eps along the last dimension. As torch.nn.functional.pairwise_distance. */
export function pairwiseDistance(x1: Tensor, x2: Tensor, options: PairwiseDistanceOptions = {}): Tensor {
  checkOptions('pairwiseDistance', options, ['p', 'eps', 'keepdim']);
  const { p = 2, eps = 1e-6, keepdim = false } = options;
  return norm(add(sub(x1, x2), eps), p, -1, keepdim);
}

/** Options of the losses with a margin. */
export interface MarginOptions extends LossOptions {
  /** Default: 0; of hingeEmbeddingLoss and tripletMarginLoss 1. */
  readonly margin?: number | undefined;
}

/**
 * For pairs of rows with target 1: 1 - cosine; with target -1: what the cosine exceeds `margin` (0) by. As
 * torch.nn.functional.cosine_embedding_loss.
 */
export function cosineEmbeddingLoss(x1: Tensor, x2: Tensor, target: Tensor, options: MarginOptions = {}): Tensor {
  checkOptions('cosineEmbeddingLoss', options, ['margin', 'reduction']);
  const { margin = 0, reduction } = options;
  const size = (x: Tensor): Tensor => add(sum(square(x), -1), 1e-12);
  const cosine = div(sum(mul(x1, x2), -1), sqrt(mul(size(x1), size(x2))));
  const loss = where(eq(target, 1), sub(1, cosine), clamp(sub(cosine, margin), 0));
  return reduceLoss('cosineEmbeddingLoss', loss, reduction);
}

/**
 * max(0, margin - target (x1 - x2)): with target 1 the first shall be larger, with -1 the second; margin 0 by default. As
 * torch.nn.functional.margin_ranking_loss.
 */
export function marginRankingLoss(x1: Tensor, x2: Tensor, target: Tensor, options: MarginOptions = {}): Tensor {
  checkOptions('marginRankingLoss', options, ['margin', 'reduction']);
  const { margin = 0, reduction } = options;
  return reduceLoss('marginRankingLoss', clamp(add(mul(neg(target), sub(x1, x2)), margin), 0), reduction);
}

/**
 * For distances x: x where the target is 1, max(0, margin - x) where it is -1; margin 1 by default. As
 * torch.nn.functional.hinge_embedding_loss.
 */
export function hingeEmbeddingLoss(x: Tensor, target: Tensor, options: MarginOptions = {}): Tensor {
  checkOptions('hingeEmbeddingLoss', options, ['margin', 'reduction']);
  const { margin = 1, reduction } = options;
  return reduceLoss('hingeEmbeddingLoss', where(eq(target, 1), x, clamp(sub(margin, x), 0)), reduction);
}

/** log(1 + e^(-target x)) for targets 1 and -1. As torch.nn.functional.soft_margin_loss. */
export function softMarginLoss(x: Tensor, target: Tensor, options: LossOptions = {}): Tensor {
  checkOptions('softMarginLoss', options, ['reduction']);
  return reduceLoss('softMarginLoss', neg(logsigmoid(mul(target, x))), options.reduction);
}

/** Options of `tripletMarginLoss`. */
export interface TripletMarginOptions extends MarginOptions {
  /** The norm. Default: 2. */
  readonly p?: number | undefined;
  /** Added to the differences. Default: 1e-6. */
  readonly eps?: number | undefined;
  /** Takes the distance of positive and negative where it is smaller. Default: false. */
  readonly swap?: boolean | undefined;
}

/**
 * max(0, d(anchor, positive) - d(anchor, negative) + margin) by pairwise distances; margin 1 by default. As
 * torch.nn.functional.triplet_margin_loss.
 */
export function tripletMarginLoss(
  anchor: Tensor,
  positive: Tensor,
  negative: Tensor,
  options: TripletMarginOptions = {},
): Tensor {
  checkOptions('tripletMarginLoss', options, ['margin', 'p', 'eps', 'swap', 'reduction']);
  const { margin = 1, p = 2, eps = 1e-6, swap = false, reduction } = options;
  const far = pairwiseDistance(anchor, negative, { p, eps });
  const apart = swap ? minimum(far, pairwiseDistance(positive, negative, { p, eps })) : far;
  const loss = clamp(add(sub(pairwiseDistance(anchor, positive, { p, eps }), apart), margin), 0);
  return reduceLoss('tripletMarginLoss', loss, reduction);
}

/** Options of `multiMarginLoss`. */
export interface MultiMarginOptions extends MarginOptions {
  /** The power, 1 or 2. Default: 1. */
  readonly p?: 1 | 2 | undefined;
  /** A factor for each class, [C]. Default: 1. */
  readonly weight?: Tensor | null | undefined;
}

/**
 * Of the scores x (N, C) or (C) of classes, the mean over the classes of max(0, margin + x - x at the target)^p, the target
 * itself left out; margin and p are 1 by default, p may be 2. As torch.nn.functional.multi_margin_loss.
 */
export function multiMarginLoss(x: Tensor, target: Tensor, options: MultiMarginOptions = {}): Tensor {
  checkOptions('multiMarginLoss', options, ['p', 'margin', 'weight', 'reduction']);
  const { p = 1, margin = 1, weight, reduction } = options;
  if (p !== 1 && p !== 2) throw new TilegradError('ERR_ARGUMENT', `multiMarginLoss: p must be 1 or 2 but is ${p}`);
  const scores = x.rank === 1 ? reshape(x, [1, -1]) : x;
  const classes = reshape(target, [-1]);
  const reached = gather(scores, 1, reshape(classes, [-1, 1]));
  const excess = relu(add(sub(scores, reached), margin));
  // The target's own excess is the margin whatever its score.
  const each = mul(sub(sum(p === 2 ? square(excess) : excess, 1), margin ** p), 1 / scores.size(1));
  const loss = weight ? mul(each, indexSelect(weight, 0, classes)) : each;
  return reduceLoss('multiMarginLoss', x.rank === 1 ? reshape(loss, []) : loss, reduction);
}

/** Options of `gaussianNllLoss`. */
export interface GaussianNllLossOptions extends LossOptions {
  /** Adds log(2 pi) / 2. Default: false. */
  readonly full?: boolean | undefined;
  /** The smallest variance. Default: 1e-6. */
  readonly eps?: number | undefined;
}

/**
 * (log variance + (input - target)^2 / variance) / 2: the negative log-likelihood of a normal distribution. No gradient
 * flows to a variance below `eps`. As torch.nn.functional.gaussian_nll_loss, where one always does.
 */
export function gaussianNllLoss(
  input: Tensor,
  target: Tensor,
  variance: Tensor,
  options: GaussianNllLossOptions = {},
): Tensor {
  checkOptions('gaussianNllLoss', options, ['full', 'eps', 'reduction']);
  const { full = false, eps = 1e-6, reduction } = options;
  if (!(eps > 0)) throw new TilegradError('ERR_ARGUMENT', `gaussianNllLoss: eps must be above 0 but is ${eps}`);
  const spread = clamp(variance, eps);
  const loss = mul(add(log(spread), div(square(sub(input, target)), spread)), 0.5);
  return reduceLoss('gaussianNllLoss', full ? add(loss, 0.5 * Math.log(2 * Math.PI)) : loss, reduction);
}
