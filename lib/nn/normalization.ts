// Layers that normalize single samples.
import { checkOptions, TilegradError } from '../error.ts';
import type { Shape, Tensor } from '../tensor.ts';
import { groupNorm } from '../ops/group_norm.ts';
import { layerNorm, rmsNorm } from '../ops/layer_norm.ts';
import { ones_ } from './init.ts';
import { checkSize } from './linear.ts';
import { SameShape } from './module.ts';
import { type Parameter, type PlaceOptions, placeOptions, zeroParameter } from './parameter.ts';

/** Options of `LayerNorm`. */
export interface LayerNormOptions extends PlaceOptions {
  /** Added to the variance. Default: 1e-5. */
  readonly eps?: number | undefined;
  /** Whether there are weight and bias. Default: true. */
  readonly elementwiseAffine?: boolean | undefined;
  /** Whether there is a bias beside the weight. Default: true. */
  readonly bias?: boolean | undefined;
}

function shapeOf(user: string, given: number | Shape): Shape {
  const shape = typeof given === 'number' ? [given] : [...given];
  if (shape.length === 0) throw new TilegradError('ERR_ARGUMENT', `${user}: needs at least one dimension`);
  for (const size of shape) checkSize(user, 'normalizedShape', size);
  return shape;
}

const onesParameter = (shape: Shape, place: PlaceOptions): Parameter => ones_(zeroParameter(shape, place));

/** Mean 0 and variance 1 over the last dimensions, then a weight and a bias for each element. As torch.nn.LayerNorm. */
export class LayerNorm extends SameShape {
  readonly normalizedShape: Shape;
  readonly eps: number;
  readonly weight: Parameter | null;
  readonly bias: Parameter | null;

  constructor(normalizedShape: number | Shape, options: LayerNormOptions = {}) {
    super();
    checkOptions('LayerNorm', options, ['eps', 'elementwiseAffine', 'bias', ...placeOptions]);
    const { eps = 1e-5, elementwiseAffine = true, bias = true } = options;
    this.normalizedShape = shapeOf('LayerNorm', normalizedShape);
    this.eps = eps;
    this.weight = elementwiseAffine ? onesParameter(this.normalizedShape, options) : null;
    this.bias = elementwiseAffine && bias ? zeroParameter(this.normalizedShape, options) : null;
  }

  forward(x: Tensor): Tensor {
    const { weight, bias, eps } = this;
    return layerNorm(x, this.normalizedShape, { weight, bias, eps });
  }

  override extraRepr(): string {
    return `[${this.normalizedShape.join(', ')}], eps=${this.eps}, elementwiseAffine=${this.weight !== null}`;
  }
}

/** Root mean square 1 over the last dimensions, then a weight for each element. As torch.nn.RMSNorm. */
export class RMSNorm extends SameShape {
  readonly normalizedShape: Shape;
  readonly eps: number;
  readonly weight: Parameter | null;

  constructor(normalizedShape: number | Shape, options: Omit<LayerNormOptions, 'bias'> = {}) {
    super();
    checkOptions('RMSNorm', options, ['eps', 'elementwiseAffine', ...placeOptions]);
    const { eps = 1e-5, elementwiseAffine = true } = options;
    this.normalizedShape = shapeOf('RMSNorm', normalizedShape);
    this.eps = eps;
    this.weight = elementwiseAffine ? onesParameter(this.normalizedShape, options) : null;
  }

  forward(x: Tensor): Tensor {
    const { weight, eps } = this;
    return rmsNorm(x, this.normalizedShape, { weight, eps });
  }

  override extraRepr(): string {
    return `[${this.normalizedShape.join(', ')}], eps=${this.eps}, elementwiseAffine=${this.weight !== null}`;
  }
}

/** Options of `GroupNorm`. */
export interface GroupNormOptions extends PlaceOptions {
  /** Added to the variance. Default: 1e-5. */
  readonly eps?: number | undefined;
  /** Whether there are weight and bias. Default: true. */
  readonly affine?: boolean | undefined;
}

/**
 * Mean 0 and variance 1 over each of `numGroups` groups of channels, then a weight and a bias for each channel. As
 * torch.nn.GroupNorm.
 */
export class GroupNorm extends SameShape {
  readonly numGroups: number;
  readonly numChannels: number;
  readonly eps: number;
  readonly weight: Parameter | null;
  readonly bias: Parameter | null;

  constructor(numGroups: number, numChannels: number, options: GroupNormOptions = {}) {
    super();
    checkOptions('GroupNorm', options, ['eps', 'affine', ...placeOptions]);
    checkSize('GroupNorm', 'numGroups', numGroups);
    checkSize('GroupNorm', 'numChannels', numChannels);
    if (numChannels % numGroups !== 0)
      throw new TilegradError('ERR_ARGUMENT', `GroupNorm: ${numGroups} groups do not divide ${numChannels} channels`);
    const { eps = 1e-5, affine = true } = options;
    this.numGroups = numGroups;
    this.numChannels = numChannels;
    this.eps = eps;
    this.weight = affine ? onesParameter([numChannels], options) : null;
    this.bias = affine ? zeroParameter([numChannels], options) : null;
  }

  forward(x: Tensor): Tensor {
    const { weight, bias, eps } = this;
    return groupNorm(x, this.numGroups, { weight, bias, eps });
  }

  override extraRepr(): string {
    return `${this.numGroups}, ${this.numChannels}, eps=${this.eps}, affine=${this.weight !== null}`;
  }
}
