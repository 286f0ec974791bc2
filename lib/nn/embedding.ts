// Tables of vectors.
import { checkOptions, TilegradError } from '../error.ts';
import { noGrad } from '../graph.ts';
import { assign, embedding, narrow, zerosLike } from '../ops/index.ts';
import { tidy } from '../scope.ts';
import type { Tensor } from '../tensor.ts';
import { normal_ } from './init.ts';
import { checkSize } from './linear.ts';
import { Module } from './module.ts';
import { type Parameter, type PlaceOptions, placeOptions, zeroParameter } from './parameter.ts';

/** Options of `Embedding`. */
export interface EmbeddingLayerOptions extends PlaceOptions {
  /** A row that begins with zeros and gets no gradient; negative ones count from the end. */
  readonly paddingIdx?: number | null | undefined;
  /** Whether the gradient of a row is divided by how often it was looked up. Default: false. */
  readonly scaleGradByFreq?: boolean | undefined;
}

/**
 * Looks numbers (...), i64 or i32, up in a table of `numEmbeddings` vectors and gives (..., embeddingDim). The table begins
 * normally distributed. As torch.nn.Embedding.
 */
export class Embedding extends Module {
  readonly numEmbeddings: number;
  readonly embeddingDim: number;
  readonly paddingIdx: number | null;
  readonly scaleGradByFreq: boolean;
  readonly weight: Parameter;

  constructor(numEmbeddings: number, embeddingDim: number, options: EmbeddingLayerOptions = {}) {
    super();
    checkOptions('Embedding', options, ['paddingIdx', 'scaleGradByFreq', ...placeOptions]);
    checkSize('Embedding', 'numEmbeddings', numEmbeddings);
    checkSize('Embedding', 'embeddingDim', embeddingDim);
    const { paddingIdx = null, scaleGradByFreq = false } = options;
    if (paddingIdx !== null && !(Number.isInteger(paddingIdx) && Math.abs(paddingIdx + 0.5) < numEmbeddings))
      throw new TilegradError(
        'ERR_ARGUMENT',
        `Embedding: paddingIdx ${paddingIdx} is not among the ${numEmbeddings} rows`,
      );
    this.numEmbeddings = numEmbeddings;
    this.embeddingDim = embeddingDim;
    this.paddingIdx = paddingIdx === null || paddingIdx >= 0 ? paddingIdx : paddingIdx + numEmbeddings;
    this.scaleGradByFreq = scaleGradByFreq;
    this.weight = zeroParameter([numEmbeddings, embeddingDim], options);
    this.resetParameters();
  }

  /** A table of the rows of `weight` (numEmbeddings, embeddingDim), frozen unless `freeze` is false. */
  static fromPretrained(
    weight: Tensor,
    options: Omit<EmbeddingLayerOptions, 'dtype' | 'device'> & { readonly freeze?: boolean | undefined } = {},
  ): Embedding {
    const { freeze = true, ...rest } = options;
    if (weight.rank !== 2)
      throw new TilegradError(
        'ERR_SHAPE',
        `Embedding.fromPretrained: weight must be a matrix but has shape [${weight.shape.join(', ')}]`,
      );
    const { dtype, device } = weight;
    const table = new Embedding(weight.size(0), weight.size(1), { ...rest, dtype, device });
    noGrad(() => assign(table.weight, weight));
    return table.requiresGrad_(!freeze);
  }

  /** Draws new initial values. */
  resetParameters(): void {
    normal_(this.weight);
    const { paddingIdx } = this;
    if (paddingIdx === null) return;
    noGrad(() =>
      tidy(() => {
        const row = narrow(this.weight, 0, paddingIdx, 1);
        assign(row, zerosLike(row));
      }),
    );
  }

  forward(index: Tensor): Tensor {
    const { paddingIdx, scaleGradByFreq } = this;
    return embedding(index, this.weight, { paddingIdx, scaleGradByFreq });
  }

  override extraRepr(): string {
    const padding = this.paddingIdx === null ? '' : `, paddingIdx=${this.paddingIdx}`;
    return `${this.numEmbeddings}, ${this.embeddingDim}${padding}`;
  }
}
