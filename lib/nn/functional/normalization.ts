// Normalization by means and variances.
import { checkOptions, TilegradError } from '../../error.ts';
import { add, clamp, div, mean, mul, norm, reshape, rsqrt, square, sub } from '../../ops/index.ts';
import type { Shape, Tensor } from '../../tensor.ts';

export interface AffineOptions {
  /** What the result is multiplied by. Default: 1. */
  readonly weight?: Tensor | null | undefined;
  /** What is added then. Default: 0. */
  readonly bias?: Tensor | null | undefined;
  /** Added to the variance. Default: 1e-5. */
  readonly eps?: number | undefined;
}

const dims = (shape: Shape): string => `[${shape.join(', ')}]`;

/** (x - mean) / sqrt(variance + eps) over `over`; the deviations are squared, so that a large mean does no harm. */
function standardized(x: Tensor, over: readonly number[], eps: number): Tensor {
  const deviation = sub(x, mean(x, over, true));
  return mul(deviation, rsqrt(add(mean(square(deviation), over, true), eps)));
}

function affine(x: Tensor, weight: Tensor | null | undefined, bias: Tensor | null | undefined): Tensor {
  const scaled = weight ? mul(x, weight) : x;
  return bias ? add(scaled, bias) : scaled;
}

function checkLast(user: string, x: Tensor, shape: Shape, others: readonly (Tensor | null | undefined)[]): number[] {
  const last = x.shape.slice(x.rank - shape.length);
  if (shape.length === 0 || dims(last) !== dims(shape))
    throw new TilegradError('ERR_SHAPE', `${user}: the last dimensions of ${dims(x.shape)} are not ${dims(shape)}`);
  for (const other of others)
    if (other && dims(other.shape) !== dims(shape))
      throw new TilegradError(
        'ERR_SHAPE',
        `${user}: weight and bias must have shape ${dims(shape)} but one has ${dims(other.shape)}`,
      );
  return shape.map((_, i) => i - shape.length);
}

/**
 * Mean 0 and variance 1 over the last dimensions, which must be `normalizedShape`, then weight and bias of that shape.
 * Throws ERR_SHAPE. As torch.nn.functional.layer_norm.
 */
export function layerNorm(x: Tensor, normalizedShape: Shape, options: AffineOptions = {}): Tensor {
  checkOptions('layerNorm', options, ['weight', 'bias', 'eps']);
  const { weight, bias, eps = 1e-5 } = options;
  const over = checkLast('layerNorm', x, normalizedShape, [weight, bias]);
  return affine(standardized(x, over, eps), weight, bias);
}

/**
 * x / sqrt(mean(x^2) + eps) over the last dimensions, which must be `normalizedShape`, times the weight of that shape.
 * Throws ERR_SHAPE. As torch.nn.functional.rms_norm, but with eps 1e-5 by default.
 */
export function rmsNorm(x: Tensor, normalizedShape: Shape, options: Omit<AffineOptions, 'bias'> = {}): Tensor {
  checkOptions('rmsNorm', options, ['weight', 'eps']);
  const { weight, eps = 1e-5 } = options;
  const over = checkLast('rmsNorm', x, normalizedShape, [weight]);
  return affine(mul(x, rsqrt(add(mean(square(x), over, true), eps))), weight, null);
}

/**
 * Mean 0 and variance 1 for each sample over each of `groups` groups of channels of x (N, C, ...), then weight (C) and bias
 * (C). Throws ERR_SHAPE. As torch.nn.functional.group_norm.
 */
export function groupNorm(x: Tensor, groups: number, options: AffineOptions = {}): Tensor {
  checkOptions('groupNorm', options, ['weight', 'bias', 'eps']);
  const { weight, bias, eps = 1e-5 } = options;
  const [samples, channels, ...rest] = x.shape;
  if (samples === undefined || channels === undefined || !(groups > 0) || channels % groups !== 0)
    throw new TilegradError('ERR_SHAPE', `groupNorm: ${groups} groups do not divide the channels of ${dims(x.shape)}`);
  const grouped = reshape(x, [samples, groups, channels / groups, ...rest]);
  const over = grouped.shape.map((_, i) => i).slice(2);
  const perChannel = (value: Tensor | null | undefined): Tensor | null =>
    value ? reshape(value, [channels, ...rest.map(() => 1)]) : null;
  return affine(reshape(standardized(grouped, over, eps), x.shape), perChannel(weight), perChannel(bias));
}

export interface NormalizeOptions {
  /** Default: 2. */
  readonly p?: number | undefined;
  /** Default: 1. */
  readonly dim?: number | readonly number[] | undefined;
  /** The smallest norm that is divided by. Default: 1e-12. */
  readonly eps?: number | undefined;
}

/** x divided by its p-norm along `dim`. As torch.nn.functional.normalize. */
export function normalize(x: Tensor, options: NormalizeOptions = {}): Tensor {
  checkOptions('normalize', options, ['p', 'dim', 'eps']);
  const { p = 2, dim = 1, eps = 1e-12 } = options;
  return div(x, clamp(norm(x, p, dim, true), eps));
}
