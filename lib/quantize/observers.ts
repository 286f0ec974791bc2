// Observers: they see values and say with which scale and zero point these are quantised.
import { checkOptions, describeValue, TilegradError } from '../error.ts';
import { noGrad } from '../graph.ts';
import { resolveDim } from '../ops/arguments.ts';
import { amax, amin, reshape } from '../ops/index.ts';
import { roundHalfEven } from '../rounding.ts';
import { tidy } from '../scope.ts';
import { type Tensor, tensor } from '../tensor.ts';

function expectOneOf(user: string, name: string, value: string, known: readonly string[]): void {
  if (!known.includes(value))
    throw new TilegradError(
      'ERR_ARGUMENT',
      `${user}: ${name} must be ${known.map((one) => `'${one}'`).join(' or ')} but is ${describeValue(value)}`,
    );
}

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
  readonly #ownRange: boolean;
  protected least: Float32Array | null = null;
  protected greatest: Float32Array | null = null;

  constructor(options: ObserverOptions = {}, more: readonly string[] = []) {
    checkOptions(new.target.name, options, [...optionNames, ...more]);
    this.dtype = options.dtype ?? 'u8';
    this.scheme = options.scheme ?? 'affine';
    const user = new.target.name;
    expectOneOf(user, 'dtype', this.dtype, ['u8', 'i8']);
    expectOneOf(user, 'scheme', this.scheme, ['affine', 'symmetric']);
    const [least, most] = this.dtype === 'i8' ? [-128, 127] : [0, 255];
    this.quantMin = options.quantMin ?? least;
    this.quantMax = options.quantMax ?? most;
    this.#ownRange = options.quantMin !== undefined || options.quantMax !== undefined;
    this.axis = options.axis ?? null;
    const { quantMin, quantMax } = this;
    if (![quantMin, quantMax].every(Number.isInteger) || !(quantMin < quantMax))
      throw new TilegradError(
        'ERR_ARGUMENT',
        `${user}: quantMin ${quantMin} must be a whole number below quantMax ${quantMax}`,
      );
    if (quantMin < least || quantMax > most)
      throw new TilegradError(
        'ERR_ARGUMENT',
        `${user}: the levels of ${this.dtype} are ${least} to ${most}, which do not hold ${quantMin} to ${quantMax}`,
      );
  }

  /** Takes the values of `x` into account. Resolves when they were seen. */
  async observe(x: Tensor): Promise<void> {
    const user = this.constructor.name;
    const axis = this.axis === null ? null : resolveDim(user, this.axis, x.rank);
    const channels = axis === null ? 1 : (x.shape[axis] ?? 1);
    if (this.least && this.least.length !== channels)
      throw new TilegradError(
        'ERR_SHAPE',
        `${user}: has seen ${this.least.length} channels but x has ${channels} (x [${x.shape.join(', ')}], axis ${axis})`,
      );
    if (x.numel === 0) return;
    const [least, greatest] = noGrad(() =>
      tidy(() => {
        const dims = x.shape.map((_, i) => i).filter((i) => i !== axis);
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
      // As PyTorch: the middle of a range that was given is rounded down, that of all 256 levels up.
      const middle = this.#ownRange ? Math.floor((this.quantMin + this.quantMax) / 2) : 128;
      return [scale, this.dtype === 'u8' ? middle : 0];
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
    if (!(this.averagingConstant >= 0 && this.averagingConstant <= 1))
      throw new TilegradError(
        'ERR_ARGUMENT',
        `${new.target.name}: averagingConstant must be from 0 to 1 but is ${this.averagingConstant}`,
      );
  }

  protected override take(least: Float32Array, greatest: Float32Array): void {
    const follow = (now: Float32Array, before: Float32Array | null): Float32Array =>
      before ? before.map((x, i) => x + this.averagingConstant * ((now[i] as number) - x)) : now;
    this.least = follow(least, this.least);
    this.greatest = follow(greatest, this.greatest);
  }
}
