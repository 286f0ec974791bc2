// Encoder layers of transformers.
import { checkOptions, TilegradError } from '../error.ts';
import { add, gelu, linear, relu } from '../ops/index.ts';
import { tidy } from '../scope.ts';
import type { Tensor } from '../tensor.ts';
import { type AttentionMasks, MultiheadAttention } from './attention.ts';
import { ModuleList } from './containers.ts';
import { Dropout } from './dropout.ts';
import { isPlain } from './fused_layers.ts';
import { checkSize, Linear } from './linear.ts';
import { Module } from './module.ts';
import { LayerNorm } from './normalization.ts';
import { type PlaceOptions, placeOptions } from './parameter.ts';

/** Options of `TransformerEncoderLayer`. */
export interface TransformerEncoderLayerOptions extends PlaceOptions {
  /** Width of the hidden layer. Default: 2048. */
  readonly dimFeedforward?: number | undefined;
  /** Chance of dropping an element, in training. Default: 0.1. */
  readonly dropout?: number | undefined;
  /** Default: 'relu'. */
  readonly activation?: 'relu' | 'gelu' | undefined;
  /** Added to the variance in the normalizations. Default: 1e-5. */
  readonly layerNormEps?: number | undefined;
  /** Sequences are (N, T, E) instead of (T, N, E). Default: false. */
  readonly batchFirst?: boolean | undefined;
  /** Normalizes what goes into attention and hidden layer, instead of what comes out. Default: false. */
  readonly normFirst?: boolean | undefined;
}

const optionNames = ['dimFeedforward', 'dropout', 'activation', 'layerNormEps', 'batchFirst', 'normFirst'];

/**
 * Attention of a sequence (T, N, dModel) to itself by `nhead` heads, then a hidden layer; each is added to its input and
 * normalized. Masks are those of `MultiheadAttention`. Vaswani et al., "Attention Is All You Need"; as
 * torch.nn.TransformerEncoderLayer.
 */
export class TransformerEncoderLayer extends Module<[source: Tensor, masks?: AttentionMasks], Tensor> {
  static override readonly stateNames = { selfAttn: 'self_attn' };

  readonly selfAttn: MultiheadAttention;
  readonly linear1: Linear;
  readonly dropout: Dropout;
  readonly linear2: Linear;
  readonly norm1: LayerNorm;
  readonly norm2: LayerNorm;
  readonly dropout1: Dropout;
  readonly dropout2: Dropout;
  readonly activation: 'relu' | 'gelu';
  readonly normFirst: boolean;

  constructor(dModel: number, nhead: number, options: TransformerEncoderLayerOptions = {}) {
    super();
    checkOptions('TransformerEncoderLayer', options, [...optionNames, ...placeOptions]);
    const { dimFeedforward = 2048, dropout = 0.1, activation = 'relu', layerNormEps: eps, batchFirst } = options;
    if (activation !== 'relu' && activation !== 'gelu')
      throw new TilegradError(
        'ERR_ARGUMENT',
        `TransformerEncoderLayer: activation must be 'relu' or 'gelu' but is '${activation}'`,
      );
    checkSize('TransformerEncoderLayer', 'dimFeedforward', dimFeedforward);
    const place = { dtype: options.dtype, device: options.device };
    this.selfAttn = new MultiheadAttention(dModel, nhead, { dropout, batchFirst, ...place });
    this.linear1 = new Linear(dModel, dimFeedforward, place);
    this.dropout = new Dropout(dropout);
    this.linear2 = new Linear(dimFeedforward, dModel, place);
    this.norm1 = new LayerNorm(dModel, { eps, ...place });
    this.norm2 = new LayerNorm(dModel, { eps, ...place });
    this.dropout1 = new Dropout(dropout);
    this.dropout2 = new Dropout(dropout);
    this.activation = activation;
    this.normFirst = options.normFirst ?? false;
  }

  #attend(x: Tensor, masks: AttentionMasks): Tensor {
    return this.dropout1.forward(this.selfAttn.forward(x, x, x, masks)[0]);
  }

  /** The sum of `source` and the hidden layer of x; in evaluation each of its two products is one op. */
  #feed(source: Tensor, x: Tensor): Tensor {
    const { linear1, linear2, activation } = this;
    const together = isPlain(linear1, Linear) && isPlain(linear2, Linear);
    const hidden = together
      ? linear(x, linear1.weight, linear1.bias, { activation })
      : { relu, gelu }[activation](linear1.forward(x));
    const dropped = this.dropout.forward(hidden);
    if (together && (!this.dropout2.training || this.dropout2.p === 0) && isPlain(this.dropout2, Dropout))
      return linear(dropped, linear2.weight, linear2.bias, { residual: source });
    return add(source, this.dropout2.forward(linear2.forward(dropped)));
  }

  forward(source: Tensor, masks: AttentionMasks = {}): Tensor {
    return tidy(() => {
      if (this.normFirst) {
        const x = add(source, this.#attend(this.norm1.forward(source), masks));
        return this.#feed(x, this.norm2.forward(x));
      }
      const x = this.norm1.forward(add(source, this.#attend(source, masks)));
      return this.norm2.forward(this.#feed(x, x));
    });
  }
}

/**
 * `numLayers` encoder layers one after the other, each made by `layer`, and at the end `norm` if it is given. As
 * torch.nn.TransformerEncoder, which copies one layer instead: here every layer has initial values of its own.
 */
export class TransformerEncoder extends Module<[source: Tensor, masks?: AttentionMasks], Tensor> {
  readonly layers: ModuleList<TransformerEncoderLayer>;
  readonly norm: LayerNorm | null;

  constructor(layer: () => TransformerEncoderLayer, numLayers: number, norm: LayerNorm | null = null) {
    super();
    checkSize('TransformerEncoder', 'numLayers', numLayers);
    if (typeof layer !== 'function' || layer.prototype instanceof Module)
      throw new TilegradError('ERR_ARGUMENT', 'TransformerEncoder: layer must be a function that makes a layer');
    this.layers = new ModuleList(Array.from({ length: numLayers }, layer));
    this.norm = norm;
  }

  forward(source: Tensor, masks: AttentionMasks = {}): Tensor {
    return tidy(() => {
      let x = source;
      for (const layer of this.layers) x = layer.forward(x, masks);
      return this.norm ? this.norm.forward(x) : x;
    });
  }
}
