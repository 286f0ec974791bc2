// Other sizes of sequences, images and volumes: each dimension is taken from one or two neighbours.
import { checkOptions, TilegradError } from '../../error.ts';
import { add, indexSelect, mul } from '../../ops/index.ts';
import { type Tensor, tensor } from '../../tensor.ts';

/** Options of `interpolate`. */
export interface InterpolateOptions {
  /** The new size: of every dimension behind the channels, or one number for all. */
  readonly size?: number | readonly number[] | undefined;
  /** The factor, in place of the size. */
  readonly scaleFactor?: number | readonly number[] | undefined;
  /** 'linear' for (N, C, L), 'bilinear' for (N, C, H, W), 'trilinear' for (N, C, D, H, W). Default: 'nearest'. */
  readonly mode?: 'nearest' | 'nearest-exact' | 'linear' | 'bilinear' | 'trilinear' | undefined;
  /** The centres of the outer elements stay where they are, not the edges. Default: false. */
  readonly alignCorners?: boolean | undefined;
}

const linearRanks: Readonly<Record<string, number>> = { linear: 3, bilinear: 4, trilinear: 5 };

/** One number for each of `count` dimensions. */
function each(name: string, value: number | readonly number[], count: number): readonly number[] {
  const list = typeof value === 'number' ? Array.from({ length: count }, () => value) : value;
  if (Array.isArray(list) && list.length === count && list.every((n) => n > 0 && Number.isFinite(n))) return list;
  throw new TilegradError('ERR_ARGUMENT', `interpolate: ${name} must be one number or ${count} above 0`);
}

/** Positions in the input of the positions in an output of `size`, where one step there is `step` here. */
const positions = (size: number, step: number, alignCorners: boolean, nearest: boolean): number[] =>
  Array.from({ length: size }, (_, i) => (nearest || alignCorners ? i * step : Math.max(0, (i + 0.5) * step - 0.5)));

function resize(x: Tensor, dim: number, size: number, step: number, mode: string, alignCorners: boolean): Tensor {
  const last = x.size(dim) - 1;
  const pick = (at: readonly number[]): Tensor =>
    indexSelect(x, dim, tensor(Int32Array.from(at), { device: x.device }));
  if (mode.startsWith('nearest')) {
    const shift = mode === 'nearest-exact' ? step / 2 : 0;
    return pick(positions(size, step, false, true).map((at) => Math.min(Math.floor(at + shift), last)));
  }
  const at = positions(size, step, alignCorners, false);
  const low = at.map((p) => Math.min(Math.floor(p), last));
  const shape = x.shape.map((_, i) => (i === dim ? size : 1));
  const weight = (values: readonly number[]): Tensor =>
    tensor(values as number[], { shape, dtype: x.dtype, device: x.device });
  const share = at.map((p, i) => p - (low[i] as number));
  const above = pick(low.map((p) => Math.min(p + 1, last)));
  return add(mul(pick(low), weight(share.map((s) => 1 - s))), mul(above, weight(share)));
}

/**
 * x (N, C, ...) at another size of the dimensions behind the channels. Takes `size` or `scaleFactor`. Throws ERR_ARGUMENT for
 * neither or both, and for a mode that is not of x's rank. As torch.nn.functional.interpolate.
 */
export function interpolate(x: Tensor, options: InterpolateOptions): Tensor {
  checkOptions('interpolate', options, ['size', 'scaleFactor', 'mode', 'alignCorners']);
  const { size, scaleFactor, mode = 'nearest', alignCorners = false } = options;
  const count = x.rank - 2;
  if ((size === undefined) === (scaleFactor === undefined))
    throw new TilegradError('ERR_ARGUMENT', 'interpolate: takes either size or scaleFactor');
  const rank = linearRanks[mode];
  if (!mode.startsWith('nearest') && rank === undefined)
    throw new TilegradError(
      'ERR_ARGUMENT',
      `interpolate: mode must be nearest, nearest-exact, linear, bilinear or trilinear but is '${mode}'`,
    );
  if (count < 1 || (rank !== undefined && rank !== x.rank))
    throw new TilegradError(
      'ERR_SHAPE',
      `interpolate: mode '${mode}' does not take an input of shape [${x.shape.join(', ')}]`,
    );
  const factors = scaleFactor === undefined ? null : each('scaleFactor', scaleFactor, count);
  const sizes = factors
    ? factors.map((factor, i) => Math.floor(x.size(i + 2) * factor))
    : each('size', size as number, count);
  return sizes.reduce((y, to, i) => {
    const from = x.size(i + 2);
    const step = alignCorners ? (to > 1 ? (from - 1) / (to - 1) : 0) : factors ? 1 / (factors[i] as number) : from / to;
    return resize(y, i + 2, to, step, mode, alignCorners);
  }, x);
}
