// A fully connected layer that keeps only the weights that pruning left.
import { TilegradError } from '../error.ts';
import { noGrad } from '../graph.ts';
import { Buffer, type Linear, Module } from '../nn/index.ts';
import { cast, ne, sparseLinear, sum, toSparseCsr } from '../ops/index.ts';
import { tidy } from '../scope.ts';
import type { Tensor } from '../tensor.ts';

/** Options of `compact`. */
export interface CompactOptions {
  /** The share of zeros from which on a weight is kept sparse, from 0 to 1. Default: 0.8. */
  readonly minSparsity?: number | undefined;
}

/** Whether the share of zeros in the layer's weight is at least `minSparsity`. @internal */
export function worthCompacting(linear: Linear, minSparsity: number): boolean {
  const { weight } = linear;
  if (weight.numel === 0 || (weight.dtype !== 'f32' && weight.dtype !== 'f64')) return false;
  const kept = noGrad(() => tidy(() => Number(sum(cast(ne(weight, 0), 'i64')).itemSync())));
  return 1 - kept / weight.numel >= minSparsity;
}

function held(tensor: Tensor): Buffer {
  const buffer = new Buffer(tensor);
  tensor.dispose();
  return buffer;
}

/**
 * A Linear layer whose weight is kept as compressed rows: x W^T + bias over the last dimension, for inference. As
 * torch.nn.Linear with a weight in sparse CSR.
 */
export class SparseLinear extends Module {
  static override readonly stateNames = { crowIndices: 'crow_indices', colIndices: 'col_indices' };
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** i32 (outFeatures + 1): where each row of the weight begins. */
  readonly crowIndices: Buffer;
  /** i32, the column of each value. */
  readonly colIndices: Buffer;
  readonly values: Buffer;
  readonly bias: Buffer | null;

  constructor(linear: Linear) {
    super();
    this.inFeatures = linear.inFeatures;
    this.outFeatures = linear.outFeatures;
    const { crowIndices, colIndices, values } = noGrad(() => toSparseCsr(linear.weight));
    this.crowIndices = held(crowIndices);
    this.colIndices = held(colIndices);
    this.values = held(values);
    this.bias = linear.bias ? held(linear.bias.detach()) : null;
  }

  forward(x: Tensor): Tensor {
    // Compressed rows do not know how many columns there are.
    if (x.shape.at(-1) !== this.inFeatures)
      throw new TilegradError(
        'ERR_SHAPE',
        `SparseLinear: expects ${this.inFeatures} features but x has shape [${x.shape.join(', ')}]`,
      );
    return noGrad(() => sparseLinear(x, this, this.bias));
  }

  override extraRepr(): string {
    const share = (100 * this.values.numel) / (this.inFeatures * this.outFeatures);
    return `inFeatures=${this.inFeatures}, outFeatures=${this.outFeatures}, kept=${share.toFixed(1)} %`;
  }
}
