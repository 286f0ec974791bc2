// Layers that normalize each channel over the batch.
import { checkOptions, TilegradError } from '../error.ts';
import { noGrad } from '../graph.ts';
import { add, assign, batchNorm } from '../ops/index.ts';
import { tidy } from '../scope.ts';
import type { Tensor } from '../tensor.ts';
import { ones_ } from './init.ts';
import { checkSize } from './linear.ts';
import type { ChannelCheck } from './flow.ts';
import { Module } from './module.ts';
import {
  type Buffer,
  filledBuffer,
  type Parameter,
  type PlaceOptions,
  placeOptions,
  zeroParameter,
} from './parameter.ts';

/** Options of the batch normalizations. */
export interface BatchNormLayerOptions extends PlaceOptions {
  /** Added to the variance. Default: 1e-5. */
  readonly eps?: number | undefined;
  /** Share of the batch in the running statistics; null for the plain average over all batches. Default: 0.1. */
  readonly momentum?: number | null | undefined;
  /** Whether there are weight and bias. Default: true. */
  readonly affine?: boolean | undefined;
  /** Whether statistics are kept for evaluation; without, batches are normalized by their own. Default: true. */
  readonly trackRunningStats?: boolean | undefined;
}

abstract class BatchNorm<C extends number> extends Module {
  declare readonly _flow: ChannelCheck<C>;
  static override readonly stateNames = {
    runningMean: 'running_mean',
    runningVar: 'running_var',
    numBatchesTracked: 'num_batches_tracked',
  };

  readonly numFeatures: number;
  readonly eps: number;
  readonly momentum: number | null;
  readonly weight: Parameter | null;
  readonly bias: Parameter | null;
  readonly runningMean: Buffer | null;
  readonly runningVar: Buffer | null;
  readonly numBatchesTracked: Buffer | null;

  constructor(numFeatures: C, options: BatchNormLayerOptions = {}) {
    super();
    const user = this.constructor.name;
    checkOptions(user, options, ['eps', 'momentum', 'affine', 'trackRunningStats', ...placeOptions]);
    checkSize(user, 'numFeatures', numFeatures);
    const { eps = 1e-5, momentum = 0.1, affine = true, trackRunningStats = true } = options;
    if (momentum !== null && !(momentum >= 0 && momentum <= 1))
      throw new TilegradError('ERR_ARGUMENT', `${user}: momentum must be from 0 to 1 or null but is ${momentum}`);
    this.numFeatures = numFeatures;
    this.eps = eps;
    this.momentum = momentum;
    this.weight = affine ? ones_(zeroParameter([numFeatures], options)) : null;
    this.bias = affine ? zeroParameter([numFeatures], options) : null;
    this.runningMean = trackRunningStats ? filledBuffer([numFeatures], 0, options) : null;
    this.runningVar = trackRunningStats ? filledBuffer([numFeatures], 1, options) : null;
    this.numBatchesTracked = trackRunningStats ? filledBuffer([], 0, { ...options, dtype: 'i64' }) : null;
  }

  /** The numbers of dimensions that the input may have. */
  protected abstract readonly ranks: readonly number[];

  forward(x: Tensor): Tensor {
    const { weight, bias, eps, runningMean, runningVar, numBatchesTracked } = this;
    if (!this.ranks.includes(x.rank) || x.shape[1] !== this.numFeatures)
      throw new TilegradError(
        'ERR_SHAPE',
        `${this.constructor.name}: expects ${this.ranks.join(' or ')} dimensions, the second of size ${this.numFeatures}, but the input is [${x.shape.join(', ')}]`,
      );
    if (!runningMean || !runningVar || !numBatchesTracked)
      return batchNorm(x, null, null, { weight, bias, eps, training: true });
    if (!this.training) return batchNorm(x, runningMean, runningVar, { weight, bias, eps });
    noGrad(() => tidy(() => void assign(numBatchesTracked, add(numBatchesTracked, 1))));
    // The plain average needs the number now; it is the one option that waits for the device.
    const momentum = this.momentum ?? 1 / numBatchesTracked.itemSync();
    return batchNorm(x, runningMean, runningVar, { weight, bias, eps, momentum, training: true });
  }

  override extraRepr(): string {
    const { numFeatures, eps, momentum, weight, runningMean } = this;
    return `${numFeatures}, eps=${eps}, momentum=${momentum}, affine=${weight !== null}, trackRunningStats=${runningMean !== null}`;
  }
}

/**
 * Mean 0 and variance 1 for each channel of (N, C) or (N, C, L) over the rest, then a weight and a bias. In training by the
 * statistics of the batch, in evaluation by their running averages. As torch.nn.BatchNorm1d.
 */
export class BatchNorm1d<C extends number = number> extends BatchNorm<C> {
  protected override readonly ranks = [2, 3];
}

/** {@link BatchNorm1d} for images (N, C, H, W). As torch.nn.BatchNorm2d. */
export class BatchNorm2d<C extends number = number> extends BatchNorm<C> {
  protected override readonly ranks = [4];
}

/** {@link BatchNorm1d} for volumes (N, C, D, H, W). As torch.nn.BatchNorm3d. */
export class BatchNorm3d<C extends number = number> extends BatchNorm<C> {
  protected override readonly ranks = [5];
}
