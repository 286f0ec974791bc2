// Attention layers.
import { checkOptions, TilegradError } from '../error.ts';
import { transpose } from '../ops/index.ts';
import { tidy } from '../scope.ts';
import type { Tensor } from '../tensor.ts';
import { attendByHeads } from './functional/attention.ts';
import { xavierUniform_, zeros_ } from './init.ts';
import { checkSize, Linear } from './linear.ts';
import { Module } from './module.ts';
import { type Parameter, type PlaceOptions, placeOptions, zeroParameter } from './parameter.ts';

/** Options of `MultiheadAttention`. */
export interface MultiheadAttentionOptions extends PlaceOptions {
  /** Chance of dropping a weight, in training. Default: 0. */
  readonly dropout?: number | undefined;
  /** Whether the projections have biases. Default: true. */
  readonly bias?: boolean | undefined;
  /** Sequences are (N, T, E) instead of (T, N, E). Default: false. */
  readonly batchFirst?: boolean | undefined;
}

/** Which pairs attend; true leaves out. As of `multiHeadAttention`. */
export interface AttentionMasks {
  /** Pairs of query and key: bool, or a float that is added. */
  readonly attnMask?: Tensor | null | undefined;
  /** Keys, bool (N, K). */
  readonly keyPaddingMask?: Tensor | null | undefined;
}

/**
 * Attention by `numHeads` heads over sequences (T, N, embedDim): outputs (Q, N, embedDim) and the weights averaged over the
 * heads (N, Q, K). Initial values by Glorot and Bengio. As torch.nn.MultiheadAttention.
 */
export class MultiheadAttention extends Module<
  [query: Tensor, key: Tensor, value: Tensor, masks?: AttentionMasks],
  [output: Tensor, weights: Tensor]
> {
  static override readonly stateNames = {
    inProjWeight: 'in_proj_weight',
    inProjBias: 'in_proj_bias',
    outProj: 'out_proj',
  };

  readonly embedDim: number;
  readonly numHeads: number;
  readonly dropout: number;
  readonly batchFirst: boolean;
  readonly inProjWeight: Parameter;
  readonly inProjBias: Parameter | null;
  readonly outProj: Linear;

  constructor(embedDim: number, numHeads: number, options: MultiheadAttentionOptions = {}) {
    super();
    checkOptions('MultiheadAttention', options, ['dropout', 'bias', 'batchFirst', ...placeOptions]);
    checkSize('MultiheadAttention', 'embedDim', embedDim);
    checkSize('MultiheadAttention', 'numHeads', numHeads);
    if (embedDim % numHeads !== 0)
      throw new TilegradError(
        'ERR_ARGUMENT',
        `MultiheadAttention: numHeads ${numHeads} does not divide embedDim ${embedDim}`,
      );
    const { dropout = 0, bias = true, batchFirst = false, dtype, device } = options;
    this.embedDim = embedDim;
    this.numHeads = numHeads;
    this.dropout = dropout;
    this.batchFirst = batchFirst;
    this.inProjWeight = xavierUniform_(zeroParameter([3 * embedDim, embedDim], options));
    this.inProjBias = bias ? zeroParameter([3 * embedDim], options) : null;
    this.outProj = new Linear(embedDim, embedDim, { bias, dtype, device });
    if (this.outProj.bias) zeros_(this.outProj.bias);
  }

  forward(query: Tensor, key: Tensor, value: Tensor, masks: AttentionMasks = {}): [output: Tensor, weights: Tensor] {
    checkOptions('MultiheadAttention', masks, ['attnMask', 'keyPaddingMask']);
    return tidy(() => {
      const timeFirst = (x: Tensor): Tensor => (this.batchFirst ? transpose(x, 0, 1) : x);
      const weights = { inWeight: this.inProjWeight, inBias: this.inProjBias };
      const dropoutP = this.training ? this.dropout : 0;
      const [q, k, v] = [query, key, value].map(timeFirst) as [Tensor, Tensor, Tensor];
      const [joined, shares] = attendByHeads(q, k, v, this.numHeads, weights, { ...masks, dropoutP });
      // A layer of its own, which may have been pruned or replaced by another.
      return [timeFirst(this.outProj.forward(joined)), shares];
    });
  }

  override extraRepr(): string {
    return `${this.embedDim}, ${this.numHeads}`;
  }
}
