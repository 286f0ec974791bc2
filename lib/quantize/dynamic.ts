// Dynamic quantisation: weights become i8 once, inputs u8 at every call, by their own range; products are integer and exact.
import { checkOptions, TilegradError } from '../error.ts';
import { noGrad } from '../graph.ts';
import type { Followers, JoinsFollowers } from '../nn/fused_layers.ts';
import { type AnyModule, Buffer, Conv2d, Linear, Module } from '../nn/index.ts';
import { type ConvPadding, padImages } from '../nn/conv.ts';
import { replaceModules } from '../nn/replace.ts';
import { abs, amax, cast, clamp, int8Conv2dDynamic, int8LinearDynamic, mul, quantizeLinear } from '../ops/index.ts';
import { tidy } from '../scope.ts';
import type { Tensor } from '../tensor.ts';

/** Options of `quantize.dynamic`. */
export interface DynamicOptions {
  /** One scale per output channel instead of one per weight. Default: true. */
  readonly perChannel?: boolean | undefined;
}

/** Symmetric i8 weights: the largest magnitude, of each output channel or of all, becomes 127. */
function quantizeWeight(weight: Tensor, perChannel: boolean): { values: Buffer; scale: Buffer } {
  return noGrad(() => {
    const made = tidy(() => {
      const dims = weight.shape.map((_, i) => i).slice(perChannel ? 1 : 0);
      const largest = dims.length === 0 ? abs(weight) : amax(abs(weight), dims);
      // A channel of zeros keeps a scale above 0, so that nothing is divided by 0.
      const scale = clamp(mul(cast(largest, 'f32'), 1 / 127), 2 ** -126);
      const values = weight.dtype === 'f64' ? cast(weight, 'f32') : weight;
      return { values: quantizeLinear(values, scale, 0, { dtype: 'i8', quantMin: -127 }), scale };
    });
    const held = { values: new Buffer(made.values), scale: new Buffer(made.scale) };
    made.values.dispose();
    made.scale.dispose();
    return held;
  });
}

const copied = (bias: Tensor | null): Buffer | null => {
  if (!bias) return null;
  const detached = cast(bias.detach(), 'f32');
  const buffer = new Buffer(detached);
  detached.dispose();
  return buffer;
};

/** What `make` gives of x (of f64 in f32), in the dtype of x. */
function inDtype(x: Tensor, make: (x: Tensor) => Tensor): Tensor {
  if (x.dtype === 'f32') return noGrad(() => tidy(() => make(x)));
  return noGrad(() => tidy(() => cast(make(x.dtype === 'f64' ? cast(x, 'f32') : x), x.dtype)));
}

/** A Linear layer with i8 weights. As torch.ao.nn.quantized.dynamic.Linear, with u8 inputs of all 256 levels. */
export class DynamicLinear extends Module implements JoinsFollowers {
  static override readonly stateNames = { weightScale: 'weight_scale' };
  /** @internal */
  readonly _joinsPooling = false;
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** i8, (outFeatures, inFeatures). */
  readonly weight: Buffer;
  readonly weightScale: Buffer;
  readonly bias: Buffer | null;

  constructor(linear: Linear, options: DynamicOptions = {}) {
    super();
    checkOptions('DynamicLinear', options, ['perChannel']);
    this.inFeatures = linear.inFeatures;
    this.outFeatures = linear.outFeatures;
    const { values, scale } = quantizeWeight(linear.weight, options.perChannel ?? true);
    this.weight = values;
    this.weightScale = scale;
    this.bias = copied(linear.bias);
  }

  forward(x: Tensor): Tensor {
    return this._forwardWith(x, { relu: false, maxPool: null });
  }

  /** @internal */
  _forwardWith(x: Tensor, { relu }: Followers): Tensor {
    return inDtype(x, (input) => int8LinearDynamic(input, this.weight, this.weightScale, this.bias, { relu }));
  }

  override extraRepr(): string {
    return `inFeatures=${this.inFeatures}, outFeatures=${this.outFeatures}, dtype=i8`;
  }
}

/** A Conv2d layer with i8 weights. */
export class DynamicConv2d extends Module implements JoinsFollowers {
  static override readonly stateNames = { weightScale: 'weight_scale' };
  /** @internal */
  readonly _joinsPooling = true;
  /** i8, (outChannels, inChannels / groups, R, S). */
  readonly weight: Buffer;
  readonly weightScale: Buffer;
  readonly bias: Buffer | null;
  readonly #geometry: ConvPadding & Pick<Conv2d, 'groups'>;

  constructor(conv: Conv2d, options: DynamicOptions = {}) {
    super();
    checkOptions('DynamicConv2d', options, ['perChannel']);
    const { values, scale } = quantizeWeight(conv.weight, options.perChannel ?? true);
    this.weight = values;
    this.weightScale = scale;
    this.bias = copied(conv.bias);
    const { stride, padding, dilation, groups, kernelSize, paddingMode } = conv;
    this.#geometry = { stride, padding, dilation, groups, kernelSize, paddingMode };
  }

  forward(x: Tensor): Tensor {
    return this._forwardWith(x, { relu: false, maxPool: null });
  }

  /** @internal */
  _forwardWith(x: Tensor, { relu, maxPool }: Followers): Tensor {
    const { stride, dilation, groups } = this.#geometry;
    return inDtype(x, (input) => {
      const [padded, padding] = padImages(input, this.#geometry);
      const options = { stride, padding, dilation, groups, relu, maxPool };
      return int8Conv2dDynamic(padded, this.weight, this.weightScale, this.bias, options);
    });
  }

  override extraRepr(): string {
    return `weight=[${this.weight.shape.join(', ')}], dtype=i8`;
  }
}

/**
 * Replaces every Linear and Conv2d in `model` by its quantised form, in place, frees the replaced parameters that no other
 * layer of it uses, and returns the model (the quantised layer, if `model` is one of these itself). Classes derived from the
 * two stay as they are. For inference: gradients end here. Throws ERR_ARGUMENT where there is nothing to quantise. As
 * torch.ao.quantization.quantize_dynamic with inplace.
 */
export function dynamic<M extends AnyModule>(model: M, options: DynamicOptions = {}): AnyModule {
  checkOptions('quantize.dynamic', options, ['perChannel']);
  const replaced = replaceModules('quantize.dynamic', model, (module) => quantizedLayer(module, options));
  if (!replaced)
    throw new TilegradError('ERR_ARGUMENT', `quantize.dynamic: ${model.constructor.name} has no Linear and no Conv2d`);
  return replaced;
}

function quantizedLayer(module: AnyModule, options: DynamicOptions): DynamicLinear | DynamicConv2d | null {
  if (module.constructor === Linear) return new DynamicLinear(module as Linear, options);
  return module.constructor === Conv2d ? new DynamicConv2d(module as Conv2d, options) : null;
}
