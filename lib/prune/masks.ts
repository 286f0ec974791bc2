// Which elements stay: bool masks in the shape of the tensor, true = kept. With a mask so far, amounts are of what it keeps.
import { checkOptions, describeValue, TilegradError } from '../error.ts';
import {
  abs,
  amax,
  amin,
  any,
  cast,
  concat,
  expand,
  where,
  magnitudeMask,
  ne,
  pow,
  rand,
  reshape,
  slice,
  sum,
} from '../ops/index.ts';
import type { Generator } from '../random.ts';
import { roundHalfEven } from '../rounding.ts';
import { tidy } from '../scope.ts';
import type { Tensor } from '../tensor.ts';

/**
 * How much is dropped: a fraction from 0 to 1, or a whole number of elements (of slices, where whole slices are dropped). A plain
 * number up to 1 is a fraction and one above 1 a count; `{ count: 1 }` says the rest.
 */
export type Amount = number | { readonly fraction: number } | { readonly count: number };

/** Options of the functions that make masks. */
export interface MaskOptions {
  /** The mask so far (bool): what it dropped stays dropped. Default: all are kept. */
  readonly mask?: Tensor | null | undefined;
}

/** Options of the functions that make masks by chance. */
export interface RandomMaskOptions extends MaskOptions {
  /** Default: {@link defaultGenerator}. */
  readonly generator?: Generator | undefined;
}

/** The whole number that `amount` means of `total`. Throws ERR_ARGUMENT. */
function countOf(amount: Amount, total: number): number {
  const given = typeof amount === 'number' ? (amount <= 1 ? { fraction: amount } : { count: amount }) : amount;
  if (typeof given !== 'object' || given === null || !('fraction' in given || 'count' in given))
    throw new TilegradError(
      'ERR_ARGUMENT',
      `prune: the amount must be a number, { fraction } or { count } but is ${describeValue(amount)}`,
    );
  if ('fraction' in given) {
    if (!(given.fraction >= 0 && given.fraction <= 1))
      throw new TilegradError('ERR_ARGUMENT', `prune: a fraction must be from 0 to 1 but is ${given.fraction}`);
    return roundHalfEven(given.fraction * total);
  }
  const { count } = given;
  if (!Number.isSafeInteger(count) || count < 0 || count > total)
    throw new TilegradError(
      'ERR_ARGUMENT',
      `prune: the count must be a whole number from 0 to ${total} but is ${count}`,
    );
  return count;
}

// Reads one number from the device: masks are made between training steps, where waiting does no harm.
const keptCount = (x: Tensor, mask: Tensor | null | undefined): number =>
  mask ? tidy(() => sum(cast(mask, 'i32')).itemSync()) : x.numel;

/** Drops the smallest magnitudes. As torch.nn.utils.prune.L1Unstructured. */
export function l1(x: Tensor, amount: Amount, options: MaskOptions = {}): Tensor {
  checkOptions('prune.masks.l1', options, ['mask']);
  const { mask } = options;
  return magnitudeMask(x, countOf(amount, keptCount(x, mask)), mask);
}

/** Drops elements by chance; the same state of the generator gives the same mask. As torch.nn.utils.prune.RandomUnstructured. */
export function random(x: Tensor, amount: Amount, options: RandomMaskOptions = {}): Tensor {
  checkOptions('prune.masks.random', options, ['mask', 'generator']);
  const { mask, generator } = options;
  const count = countOf(amount, keptCount(x, mask));
  return tidy(() => magnitudeMask(rand(x.shape, { device: x.device, generator }), count, mask));
}

/** The n-norm of every slice of `x` along `dim`; for n = 0 the number of elements that are not 0. */
function sliceNorms(x: Tensor, n: number, dim: number): Tensor {
  const others = x.shape.map((_, i) => i).filter((i) => i !== dim);
  const size = abs(x);
  if (n === 0) return sum(cast(ne(x, 0), 'f32'), others);
  if (others.length === 0) return size;
  if (n === Number.POSITIVE_INFINITY) return amax(size, others);
  if (n === Number.NEGATIVE_INFINITY) return amin(size, others);
  return pow(sum(n === 1 ? size : pow(size, n), others), 1 / n);
}

/** Drops whole slices along `dim` by `scores` (one each), of those that the mask keeps any element of. */
function dropSlices(
  x: Tensor,
  amount: Amount,
  dim: number,
  mask: Tensor | null | undefined,
  scores: (dim: number) => Tensor,
): Tensor {
  const axis = dim < 0 ? dim + x.rank : dim;
  if (!Number.isInteger(axis) || axis < 0 || axis >= x.rank)
    throw new TilegradError(
      'ERR_ARGUMENT',
      `prune: dimension ${dim} is out of range for shape [${x.shape.join(', ')}]`,
    );
  return tidy(() => {
    const others = x.shape.map((_, i) => i).filter((i) => i !== axis);
    const alive = mask && others.length > 0 ? any(mask, others) : mask;
    const along = scores(axis);
    const kept = magnitudeMask(along, countOf(amount, keptCount(along, alive)), alive);
    const shape = x.shape.map((size, i) => (i === axis ? size : 1));
    const whole = expand(reshape(kept, shape), x.shape);
    return mask ? where(whole, mask, whole) : whole.contiguous();
  });
}

/** Drops the slices along `dim` of the smallest n-norm; n may be infinite. As torch.nn.utils.prune.LnStructured. */
export function ln(x: Tensor, amount: Amount, n: number, dim: number, options: MaskOptions = {}): Tensor {
  checkOptions('prune.masks.ln', options, ['mask']);
  return dropSlices(x, amount, dim, options.mask, (axis) => sliceNorms(x, n, axis));
}

/** Drops slices along `dim` by chance. As torch.nn.utils.prune.RandomStructured. */
export function randomSlices(x: Tensor, amount: Amount, dim: number, options: RandomMaskOptions = {}): Tensor {
  checkOptions('prune.masks.randomSlices', options, ['mask', 'generator']);
  const { mask, generator } = options;
  return dropSlices(x, amount, dim, mask, (axis) => rand([x.shape[axis] as number], { device: x.device, generator }));
}

/** One threshold over all tensors: drops the smallest magnitudes of them together. As torch.nn.utils.prune.global_unstructured. */
export function globalL1(
  tensors: readonly Tensor[],
  amount: Amount,
  options: { readonly masks?: readonly (Tensor | null)[] | undefined } = {},
): Tensor[] {
  checkOptions('prune.masks.globalL1', options, ['masks']);
  const { masks } = options;
  return tidy(() => {
    const flat = concat(tensors.map((x) => reshape(x, [-1])));
    const before = masks?.some((mask) => mask !== null)
      ? concat(tensors.map((x, i) => reshape(masks[i] ?? allKept(x), [-1])))
      : null;
    const kept = magnitudeMask(flat, countOf(amount, keptCount(flat, before)), before);
    let at = 0;
    return tensors.map((x) => {
      at += x.numel;
      return reshape(slice(kept, [at - x.numel], [at]), x.shape).contiguous();
    });
  });
}

const allKept = (x: Tensor): Tensor => magnitudeMask(x, 0);
