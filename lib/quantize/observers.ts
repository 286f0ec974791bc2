// Observers: they see values and say with which scale and zero point these are quantised.
import { checkOptions, TilegradError } from '../error.ts';
import { noGrad } from '../graph.ts';
import { amax, amin, reshape } from '../ops/index.ts';
import { roundHalfEven } from '../rounding.ts';
import { tidy } from '../scope.ts';
import { type Tensor, tensor } from '../tensor.ts';

/** What the observers share: how many bits, and whether per channel. */
export interface ObserverOptions {
  /** The dtype to quantise to. Default: 'u8'. */
  readonly dtype?: 'u8' | 'i8' | undefined;
  /** 'affine' uses the whole range, 'symmetric' puts zero in the middle. Default: 'affine'. */
  readonly scheme?: 'affine' | 'symmetric' | undefined;
  /** Least level. Default: that of the dtype. */
  readonly quantMin?: number | undefined;
  /** Greatest level. Default: that of the dtype. */
  readonly quantMax?: number | undefined;
  /** Observes every slice along this dimension by itself. Default: the whole tensor. */
  readonly axis?: number | null | undefined;
}

/** What turns numbers into bytes and back: `real = scale * (byte - zeroPoint)`. */
export interface QuantizationParameters {
  /** f32: [] or, per channel, [channels]. */
  scale: Tensor;
  /** i32, in the shape of the scale. */
  zeroPoint: Tensor;
}

const optionNames = ['dtype', 'scheme', 'quantMin', 'quantMax', 'axis'] as const;
const smallestScale = Math.fround(2 ** -23);

/**
 * Keeps the least and the greatest value seen. The range always holds 0; symmetric ranges reach as far on both sides.
 * As torch.ao.quantization.MinMaxObserver and, with `axis`, PerChannelMinMaxObserver.
 */
export class MinMaxObserver {
  readonly dtype: 'u8' | 'i8';
  readonly scheme: 'affine' | 'symmetric';
  readonly quantMin: number;
  readonly quantMax: number;
  readonly axis: number | null;
  protected least: Float32Array | null = null;
  protected greatest: Float32Array | null = null;

  constructor(options: ObserverOptions = {}, more: readonly string[] = []) {
    checkOptions(new.target.name, options, [...optionNames, ...more]);
    this.dtype = options.dtype ?? 'u8';
    this.scheme = options.scheme ?? 'affine';
    this.quantMin = options.quantMin ?? (this.dtype === 'i8' ? -128 : 0);
    this.quantMax = options.quantMax ?? (this.dtype === 'i8' ? 127 : 255);
    this.axis = options.axis ?? null;
    if (!(this.quantMin < this.quantMax))
      throw new TilegradError(
        'ERR_ARGUMENT',
        `${new.target.name}: quantMin ${this.quantMin} must be below quantMax ${this.quantMax}`,
      );
  }

  /** Takes the values of `x` into account. Resolves when they were seen. */
  async observe(x: Tensor): Promise<void> {
    if (x.numel === 0) return;
    const [least, greatest] = noGrad(() =>
      tidy(() => {
        const dims = x.shape.map((_, i) => i).filter((i) => this.axis === null || i !== (this.axis + x.rank) % x.rank);
        const flat = (y: Tensor): Tensor => reshape(y.to('f32'), [-1]);
        return dims.length === 0 ? [flat(x), flat(x)] : [flat(amin(x, dims)), flat(amax(x, dims))];
      }),
    ) as [Tensor, Tensor];
    const values = await Promise.all([least.data(), greatest.data()]);
    least.dispose();
    greatest.dispose();
    this.take(...(values as [Float32Array, Float32Array]));
  }

  /** Joins the range of one tensor with what was seen before. */
  protected take(least: Float32Array, greatest: Float32Array): void {
    const { least: low, greatest: high } = this;
    this.least = low ? least.map((x, i) => Math.min(x, low[i] as number)) : least;
    this.greatest = high ? greatest.map((x, i) => Math.max(x, high[i] as number)) : greatest;
  }

  /** Scale and zero point for what was seen. Throws ERR_ARGUMENT if nothing was. */
  parameters(): QuantizationParameters {
    const { least, greatest } = this;
    if (!least || !greatest)
      throw new TilegradError('ERR_ARGUMENT', `${this.constructor.name}: nothing was observed yet`);
    const found = Array.from(least, (low, i) => this.#parametersOf(low, greatest[i] as number));
    const shape = this.axis === null ? [] : [found.length];
    return {
      scale: tensor(
        Float32Array.from(found, ([scale]) => scale),
        { shape },
      ),
      zeroPoint: tensor(
        Int32Array.from(found, ([, zero]) => zero),
        { shape },
      ),
    };
  }

  // In f32 throughout, as PyTorch: the zero point must come out the same.
  #parametersOf(least: number, greatest: number): [scale: number, zeroPoint: number] {
    const low = Math.min(least, 0);
    const high = Math.max(greatest, 0);
    const levels = this.quantMax - this.quantMin;
    if (this.scheme === 'symmetric') {
      const scale = Math.max(Math.fround(Math.max(-low, high) / (levels / 2)), smallestScale);
      return [scale, this.dtype === 'u8' ? 128 : 0];
    }
    const scale = Math.max(Math.fround(Math.fround(high - low) / levels), smallestScale);
    const zero = this.quantMin - roundHalfEven(Math.fround(low / scale));
    return [scale, Math.min(Math.max(zero, this.quantMin), this.quantMax)];
  }
}

/**
 * Follows the least and greatest values with a moving average. As torch.ao.quantization.MovingAverageMinMaxObserver.
 */
export class MovingAverageMinMaxObserver extends MinMaxObserver {
  readonly averagingConstant: number;

  /** `averagingConstant`: the weight of the newest tensor. Default: 0.01. */
  constructor(options: ObserverOptions & { readonly averagingConstant?: number | undefined } = {}) {
    super(options, ['averagingConstant']);
    this.averagingConstant = options.averagingConstant ?? 0.01;
  }

  protected override take(least: Float32Array, greatest: Float32Array): void {
    const follow = (now: Float32Array, before: Float32Array | null): Float32Array =>
      before ? before.map((x, i) => x + this.averagingConstant * ((now[i] as number) - x)) : now;
    this.least = follow(least, this.least);
    this.greatest = follow(greatest, this.greatest);
  }
}
