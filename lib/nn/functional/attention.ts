// Attention, written with ops.
import { checkOptions, TilegradError } from '../../error.ts';
import {
  add,
  chunk,
  dropout,
  linear,
  logicalNot,
  matmul,
  mean,
  mul,
  ones,
  reshape,
  softmax,
  transpose,
  tril,
  where,
  zeros,
} from '../../ops/index.ts';
import type { Tensor } from '../../tensor.ts';

/** Options of `scaledDotProductAttention`. */
export interface AttentionOptions {
  /** Which keys each query attends to (bool), or what is added to the scores (float); broadcasts to (..., Q, K). */
  readonly attnMask?: Tensor | null | undefined;
  /** Each query attends to the keys up to its own position. Default: false. */
  readonly isCausal?: boolean | undefined;
  /** Chance of dropping a weight. Default: 0. */
  readonly dropoutP?: number | undefined;
  /** Factor of the scores. Default: 1 / sqrt of the last dimension. */
  readonly scale?: number | null | undefined;
}

const masked = (scores: Tensor, mask: Tensor): Tensor =>
  mask.dtype === 'bool' ? where(mask, scores, Number.NEGATIVE_INFINITY) : add(scores, mask);

/**
 * softmax(q k^T scale + mask) v for queries (..., Q, E), keys (..., K, E) and values (..., K, V). As
 * torch.nn.functional.scaled_dot_product_attention.
 */
export function scaledDotProductAttention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): Tensor {
  checkOptions('scaledDotProductAttention', options, ['attnMask', 'isCausal', 'dropoutP', 'scale']);
  return matmul(attentionWeights(q, k, options), v);
}

function attentionWeights(q: Tensor, k: Tensor, options: AttentionOptions): Tensor {
  const { attnMask, isCausal = false, dropoutP = 0, scale } = options;
  let scores = matmul(mul(q, scale ?? 1 / Math.sqrt(q.size(-1))), transpose(k)); // (..., Q, K)
  if (isCausal) {
    const below = tril(ones([q.size(-2), k.size(-2)], { device: q.device })).to('bool');
    scores = masked(scores, below);
  }
  if (attnMask) scores = masked(scores, attnMask);
  const weights = softmax(scores, -1);
  return dropoutP > 0 ? dropout(weights, dropoutP) : weights;
}

/** Options of `multiHeadAttention`. */
export interface MultiHeadAttentionOptions {
  /** Pairs of query and key that are left out (bool, true: out), or what is added (float): (Q, K) or (N heads, Q, K). */
  readonly attnMask?: Tensor | null | undefined;
  /** Keys that are left out, bool (N, K), true: out. */
  readonly keyPaddingMask?: Tensor | null | undefined;
  /** Chance of dropping a weight. Default: 0. */
  readonly dropoutP?: number | undefined;
}

/** Weights of the projections: queries, keys and values stacked (3 E, E), and the output (E, E). */
export interface MultiHeadAttentionWeights {
  readonly inWeight: Tensor;
  readonly inBias?: Tensor | null | undefined;
  readonly outWeight: Tensor;
  readonly outBias?: Tensor | null | undefined;
}

/**
 * Attention by several heads over sequences (T, N, E): outputs (Q, N, E) and the weights averaged over the heads (N, Q, K).
 * Masks are true where attention is not allowed. As torch.nn.functional.multi_head_attention_forward.
 */
export function multiHeadAttention(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  heads: number,
  weights: MultiHeadAttentionWeights,
  options: MultiHeadAttentionOptions = {},
): [output: Tensor, weights: Tensor] {
  const [joined, shares] = attendByHeads(query, key, value, heads, weights, options);
  return [linear(joined, weights.outWeight, weights.outBias ?? null), shares];
}

/** What {@link multiHeadAttention} computes before the projection of the output. @internal */
export function attendByHeads(
  query: Tensor,
  key: Tensor,
  value: Tensor,
  heads: number,
  weights: Pick<MultiHeadAttentionWeights, 'inWeight' | 'inBias'>,
  options: MultiHeadAttentionOptions,
): [joined: Tensor, weights: Tensor] {
  checkOptions('multiHeadAttention', options, ['attnMask', 'keyPaddingMask', 'dropoutP']);
  const { attnMask, keyPaddingMask, dropoutP } = options;
  const [length, batch, width] = query.shape as [number, number, number];
  if (query.rank !== 3 || width % heads !== 0)
    throw new TilegradError(
      'ERR_SHAPE',
      `multiHeadAttention: queries must be (T, N, E) with E divisible by ${heads} heads but are [${query.shape.join(', ')}]`,
    );
  const inBias = weights.inBias ? chunk(weights.inBias, 3) : [null, null, null];
  const [q, k, v] = chunk(weights.inWeight, 3).map((weight, i) => {
    const x = [query, key, value][i] as Tensor;
    const y = linear(x, weight, inBias[i] ?? null); // (T, N, E)
    return reshape(y, [x.size(0), batch, heads, width / heads]).permute(1, 2, 0, 3); // (N, heads, T, D)
  }) as [Tensor, Tensor, Tensor];
  // What is added to the scores: 0 or -inf where the mask is bool.
  const added = (given: Tensor): Tensor =>
    given.dtype === 'bool'
      ? masked(zeros(given.shape, { dtype: q.dtype, device: q.device }), logicalNot(given))
      : given;
  let mask = attnMask ? added(attnMask) : null;
  if (mask?.rank === 3) mask = reshape(mask, [batch, heads, ...mask.shape.slice(1)]);
  if (keyPaddingMask) {
    const padding = reshape(added(keyPaddingMask), [batch, 1, 1, key.size(0)]);
    mask = mask ? add(mask, padding) : padding;
  }
  const shares = attentionWeights(q, k, { attnMask: mask, dropoutP }); // (N, heads, Q, K)
  const joined = reshape(matmul(shares, v).permute(2, 0, 1, 3), [length, batch, width]);
  return [joined, mean(shares, 1)];
}
