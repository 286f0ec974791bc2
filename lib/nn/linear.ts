// Fully connected layers.
import { checkOptions, TilegradError } from '../error.ts';
import { linear } from '../ops/index.ts';
import type { Tensor } from '../tensor.ts';
import { initialiseLayer } from './layer_init.ts';
import type { FeatureFlow } from './flow.ts';
import { Module, SameShape } from './module.ts';
import { type Parameter, type PlaceOptions, placeOptions, zeroParameter } from './parameter.ts';

/** Throws ERR_ARGUMENT unless `value` is a whole number from `least` up. @internal */
export function checkSize(user: string, name: string, value: number, least = 1): void {
  if (!Number.isSafeInteger(value) || value < least)
    throw new TilegradError('ERR_ARGUMENT', `${user}: ${name} must be a whole number from ${least} up but is ${value}`);
}

/** The input as it is. As torch.nn.Identity. */
export class Identity extends SameShape {
  forward(x: Tensor): Tensor {
    return x;
  }
}

/** Options of `Linear`. */
export interface LinearOptions extends PlaceOptions {
  /** Whether a bias is added. Default: true. */
  readonly bias?: boolean | undefined;
}

/**
 * x weight^T + bias over the last dimension: (..., inFeatures) to (..., outFeatures). Weight (outFeatures, inFeatures)
 * and bias begin uniform within 1 / sqrt(inFeatures). As torch.nn.Linear.
 */
export class Linear<In extends number = number, Out extends number = number> extends Module {
  declare readonly _flow: FeatureFlow<In, Out>;
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly weight: Parameter;
  readonly bias: Parameter | null;

  constructor(inFeatures: In, outFeatures: Out, options: LinearOptions = {}) {
    super();
    checkOptions('Linear', options, ['bias', ...placeOptions]);
    checkSize('Linear', 'inFeatures', inFeatures);
    checkSize('Linear', 'outFeatures', outFeatures);
    this.inFeatures = inFeatures;
    this.outFeatures = outFeatures;
    this.weight = zeroParameter([outFeatures, inFeatures], options);
    this.bias = (options.bias ?? true) ? zeroParameter([outFeatures], options) : null;
    this.resetParameters();
  }

  /** Draws new initial values. */
  resetParameters(): void {
    initialiseLayer(this.weight, this.bias);
  }

  forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias);
  }

  override extraRepr(): string {
    return `inFeatures=${this.inFeatures}, outFeatures=${this.outFeatures}, bias=${this.bias !== null}`;
  }
}
