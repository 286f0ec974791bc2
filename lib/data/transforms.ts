// What happens to a batch of images. Transforms that only scale, normalise or shift are folded into the pass that gathers
// the rows; any other transform, and all that follow it, run on the gathered batch.
import type { DType } from '../dtype.ts';
import { TilegradError } from '../error.ts';
import { gatherRows } from '../ops/gather_rows.ts';
import { type Tensor, tensor } from '../tensor.ts';
import { CounterRandom } from './counter_random.ts';

/** What random transforms draw from: the same seed, epoch and row give the same change in whatever batch they meet. */
export interface TransformContext {
  readonly seed: number;
  readonly epoch: number;
  /** The numbers in the dataset of the images in the batch. */
  readonly rows: Int32Array;
}

/** A change of a batch of images (B, C, H, W). It is called inside `tidy`, so it need not free anything. */
export interface Transform {
  /** A batch of images (N, C, H, W) as this transform makes it. */
  apply(images: Tensor, context: TransformContext): Tensor;
}

/** A transform, a function of the batch, or a list of them. */
export type TransformInput = Transform | ((images: Tensor) => Tensor) | readonly TransformInput[];

/** Bytes 0 to 255 to f32 from 0 to 1. Other dtypes are cast without scaling. As ToTensor of torchvision. */
export class ToFloat implements Transform {
  /** A batch of images (N, C, H, W) as this transform makes it. */
  apply(images: Tensor): Tensor {
    return gatherRows(images, allRows(images), { dtype: 'f32', scale: [images.dtype === 'u8' ? 1 / 255 : 1] });
  }
}

/**
 * (x - mean) / std with one number per channel, or one for all. Throws `ERR_ARGUMENT` for a std of 0 and for lists of
 * different lengths. As Normalize of torchvision.
 */
export class Normalize implements Transform {
  readonly mean: readonly number[];
  readonly std: readonly number[];

  constructor(mean: number | readonly number[], std: number | readonly number[]) {
    this.mean = typeof mean === 'number' ? [mean] : [...mean];
    this.std = typeof std === 'number' ? [std] : [...std];
    if (this.mean.length !== this.std.length || this.mean.length === 0) {
      const text = `mean has ${this.mean.length} numbers, std ${this.std.length}`;
      throw new TilegradError('ERR_ARGUMENT', `Normalize: ${text}; give one for each channel, or one for all`);
    }
    if (![...this.mean, ...this.std].every(Number.isFinite) || this.std.includes(0)) {
      const text = `mean [${this.mean.join(', ')}] and std [${this.std.join(', ')}] must be finite, std not 0`;
      throw new TilegradError('ERR_ARGUMENT', `Normalize: ${text}`);
    }
  }

  /** A batch of images (N, C, H, W) as this transform makes it. */
  apply(images: Tensor): Tensor {
    const scale = this.std.map((std) => 1 / std);
    const shift = this.mean.map((mean, c) => -mean / (this.std[c] as number));
    return gatherRows(images, allRows(images), { scale, shift });
  }
}

/**
 * Moves each image by a whole number of pixels, uniform from -`max` to `max` in each direction; zeros move in from
 * outside. Put it before `Normalize`, so that these zeros are background.
 */
export class RandomShift implements Transform {
  readonly max: number;

  constructor(max: number) {
    if (!Number.isInteger(max) || max < 0 || max > 1024) {
      throw new TilegradError('ERR_ARGUMENT', `RandomShift: max is ${max}, expected a whole number from 0 to 1024`);
    }
    this.max = max;
  }

  /** A batch of images (N, C, H, W) as this transform makes it. */
  apply(images: Tensor, context: TransformContext): Tensor {
    return gatherRows(images, allRows(images), { offset: this.offsets(context) });
  }

  /** Rows down and columns right for each image of a batch, (B, 2). */
  offsets(context: TransformContext): Tensor {
    const offsets = new Int32Array(2 * context.rows.length);
    context.rows.forEach((row, i) => {
      // The epoch takes the upper half of the stream number, so that two epochs share no stream below 2^21 rows.
      const random = new CounterRandom(context.seed, context.epoch * 2 ** 21 + row);
      offsets[2 * i] = random.below(2 * this.max + 1) - this.max;
      offsets[2 * i + 1] = random.below(2 * this.max + 1) - this.max;
    });
    return tensor(offsets, { shape: [context.rows.length, 2] });
  }
}

/** Several transforms, one after the other. A list says the same; this is for those who look for torchvision's name. */
export class Compose implements Transform {
  readonly transforms: readonly TransformInput[];

  constructor(transforms: readonly TransformInput[]) {
    this.transforms = transforms;
  }

  /** A batch of images (N, C, H, W) as this transform makes it. */
  apply(images: Tensor, context: TransformContext): Tensor {
    return flatten(this.transforms).reduce((batch, transform) => transform.apply(batch, context), images);
  }
}

function allRows(images: Tensor): Tensor {
  return tensor(Int32Array.from({ length: images.shape[0] as number }, (_, i) => i));
}

function flatten(input: TransformInput | undefined): Transform[] {
  if (input === undefined) return [];
  if (input instanceof Compose) return input.transforms.flatMap(flatten);
  if (Array.isArray(input)) return (input as readonly TransformInput[]).flatMap(flatten);
  if (typeof input === 'function') return [{ apply: input }];
  if (typeof (input as Partial<Transform> | null)?.apply === 'function') return [input as Transform];
  throw new TilegradError('ERR_ARGUMENT', 'transform: expected a function, an object with apply(), or a list of these');
}

/** Transforms with those at the front folded into the gathering of rows. */
export interface TransformPlan {
  readonly dtype: DType;
  readonly scale: readonly number[] | undefined;
  readonly shift: readonly number[] | undefined;
  readonly randomShift: RandomShift | undefined;
  readonly rest: readonly Transform[];
}

/** Folds as many transforms as the gathering can do, for images of this dtype and number of channels. */
export function planTransforms(input: TransformInput | undefined, dtype: DType, channels: number): TransformPlan {
  const rest = flatten(input);
  for (const transform of rest) {
    if (transform instanceof Normalize && transform.mean.length !== 1 && transform.mean.length !== channels) {
      const text = `Normalize: has ${transform.mean.length} means, the images have ${channels} channels`;
      throw new TilegradError('ERR_SHAPE', text);
    }
  }
  let randomShift: RandomShift | undefined;
  if (rest[0] instanceof RandomShift) randomShift = rest.shift() as RandomShift;
  let scale: number[] | undefined;
  let shift: number[] | undefined;
  if (rest[0] instanceof ToFloat) {
    scale = [dtype === 'u8' ? 1 / 255 : 1];
    shift = [0];
    rest.shift();
    while (rest[0] instanceof Normalize) {
      const { mean, std } = rest.shift() as Normalize;
      const before: { scale: readonly number[]; shift: readonly number[] } = { scale, shift };
      const width = Math.max(mean.length, scale.length);
      const at = (list: readonly number[], c: number) => list[list.length === 1 ? 0 : c] as number;
      const each = (value: (c: number) => number) => Array.from({ length: width }, (_, c) => value(c));
      scale = each((c) => at(before.scale, c) / at(std, c));
      shift = each((c) => (at(before.shift, c) - at(mean, c)) / at(std, c));
    }
  }
  return { dtype: scale === undefined ? dtype : 'f32', scale, shift, randomShift, rest };
}

/** The rows `index` of `source`, transformed. @internal */
export function applyTransforms(plan: TransformPlan, source: Tensor, index: Tensor, context: TransformContext): Tensor {
  const { dtype, scale, shift, randomShift, rest } = plan;
  const offset = randomShift?.offsets(context);
  const batch = gatherRows(source, index, { dtype, scale, shift, offset });
  return rest.reduce((images, transform) => transform.apply(images, context), batch);
}
