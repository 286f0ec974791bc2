// Pooling in one and three dimensions, and what is made of pooling and indexing. Windows are rectangles, so that pooling
// in three dimensions is pooling in two and then in the third.
import { checkOptions, TilegradError } from '../error.ts';
import type { Shape, Tensor } from '../tensor.ts';
import { type AvgPool2dOptions, adaptiveAvgPool2d, avgPool2d } from './avg_pool2d.ts';
import { relu } from './activations.ts';
import { mul, pow } from './elementwise.ts';
import { scatter } from './gather.ts';
import { type MaxPool2dOptions, maxPool2d, type PoolPair, poolPair } from './max_pool2d.ts';
import { zeros } from './full.ts';
import { expectTensor } from './arguments.ts';
import { reshape } from './views.ts';

type One = number | readonly [number];
type Three = number | readonly [number, number, number];

const single = (value: One): number => (typeof value === 'number' ? value : value[0]);
const triple = (value: Three): readonly [number, number, number] =>
  typeof value === 'number' ? [value, value, value] : value;

/** Runs `pool` on (N, C, 1, L) made of signals (N, C, L) or (C, L). */
function asRows(op: string, x: Tensor, pool: (rows: Tensor) => Tensor[]): Tensor[] {
  expectTensor(op, 'input', x);
  if (x.rank !== 2 && x.rank !== 3)
    throw new TilegradError(
      'ERR_SHAPE',
      `${op}: input must be (N, C, L) or (C, L) but has shape [${x.shape.join(', ')}]`,
    );
  const rows = reshape(x, [...x.shape.slice(0, -1), 1, x.shape.at(-1) as number]);
  return pool(rows).map((y) => reshape(y, [...x.shape.slice(0, -1), y.shape.at(-1) as number]));
}

/** Pools the planes of volumes (N, C, D, H, W) or (C, D, H, W), then runs of planes. */
function asPlanes(op: string, x: Tensor, planes: (x: Tensor) => Tensor, depth: (x: Tensor) => Tensor): Tensor {
  expectTensor(op, 'input', x);
  if (x.rank !== 4 && x.rank !== 5)
    throw new TilegradError(
      'ERR_SHAPE',
      `${op}: input must be (N, C, D, H, W) or (C, D, H, W) but has shape [${x.shape.join(', ')}]`,
    );
  const [d, h, w] = x.shape.slice(-3) as [number, number, number];
  const lead = x.shape.slice(0, -3);
  const volumes = lead.reduce((n, size) => n * size, 1);
  const flat = planes(reshape(x, [volumes, d, h, w]));
  const [p, q] = flat.shape.slice(-2) as [number, number];
  const deep = depth(reshape(flat, [volumes, 1, d, p * q]));
  return reshape(deep, [...lead, deep.shape[2] as number, p, q]);
}

/** Options of `maxPool1d`. */
export interface MaxPool1dOptions {
  /** Default: the kernel. */
  stride?: One | null | undefined;
  /** Places of minus infinity at both ends, fewer than the window spans. Default: 0. */
  padding?: One | undefined;
  /** Distance between the taps of the window. Default: 1. */
  dilation?: One | undefined;
  /** Whether a last window that reaches beyond the padded signal counts. Default: false. */
  ceilMode?: boolean | undefined;
}

/**
 * {@link maxPool2d} of signals (N, C, L) or (C, L), with indices into the signal if `returnIndices` asks for them. As
 * torch.nn.functional.max_pool1d.
 */
export function maxPool1d(
  x: Tensor,
  kernel: One,
  options: MaxPool1dOptions & { returnIndices: true },
): [values: Tensor, indices: Tensor];
export function maxPool1d(x: Tensor, kernel: One, options?: MaxPool1dOptions & { returnIndices?: false }): Tensor;
export function maxPool1d(
  x: Tensor,
  kernel: One,
  options: MaxPool1dOptions & { returnIndices?: boolean } = {},
): Tensor | [values: Tensor, indices: Tensor] {
  checkOptions('maxPool1d', options, ['stride', 'padding', 'dilation', 'ceilMode', 'returnIndices']);
  const inRows: MaxPool2dOptions = {
    stride: [1, single(options.stride ?? kernel)],
    padding: [0, single(options.padding ?? 0)],
    dilation: [1, single(options.dilation ?? 1)],
    ceilMode: options.ceilMode,
  };
  const window: PoolPair = [1, single(kernel)];
  if (options.returnIndices)
    return asRows('maxPool1d', x, (rows) => maxPool2d(rows, window, { ...inRows, returnIndices: true })) as [
      Tensor,
      Tensor,
    ];
  return asRows('maxPool1d', x, (rows) => [maxPool2d(rows, window, inRows)])[0] as Tensor;
}

/** Options of `avgPool1d`. */
export interface AvgPool1dOptions {
  /** Default: the kernel. */
  stride?: One | null | undefined;
  /** Zeros at both ends, fewer than the window has places. Default: 0. */
  padding?: One | undefined;
  /** Whether a last window that reaches beyond the padded signal counts. Default: false. */
  ceilMode?: boolean | undefined;
  /** Whether padding counts in the number that is divided by. Default: true. */
  countIncludePad?: boolean | undefined;
}

/** {@link avgPool2d} of signals (N, C, L) or (C, L). As torch.nn.functional.avg_pool1d. */
export function avgPool1d(x: Tensor, kernel: One, options: AvgPool1dOptions = {}): Tensor {
  checkOptions('avgPool1d', options, ['stride', 'padding', 'ceilMode', 'countIncludePad']);
  const inRows: AvgPool2dOptions = {
    stride: [1, single(options.stride ?? kernel)],
    padding: [0, single(options.padding ?? 0)],
    ceilMode: options.ceilMode,
    countIncludePad: options.countIncludePad,
  };
  return asRows('avgPool1d', x, (rows) => [avgPool2d(rows, [1, single(kernel)], inRows)])[0] as Tensor;
}

/** {@link adaptiveAvgPool2d} of signals (N, C, L) or (C, L). As torch.nn.functional.adaptive_avg_pool1d. */
export function adaptiveAvgPool1d(x: Tensor, size: One): Tensor {
  return asRows('adaptiveAvgPool1d', x, (rows) => [adaptiveAvgPool2d(rows, [1, single(size)])])[0] as Tensor;
}

/** Options of `maxPool3d`. */
export interface MaxPool3dOptions {
  /** Default: the kernel. */
  stride?: Three | null | undefined;
  /** Planes, rows and columns of minus infinity on both sides, fewer than the window spans. Default: 0. */
  padding?: Three | undefined;
  /** Distance between the taps of the window. Default: 1. */
  dilation?: Three | undefined;
  /** Whether a last window that reaches beyond the padded volume counts. Default: false. */
  ceilMode?: boolean | undefined;
}

/**
 * The largest value of each window over volumes (N, C, D, H, W) or (C, D, H, W), as {@link maxPool2d}. As
 * torch.nn.functional.max_pool3d.
 */
export function maxPool3d(x: Tensor, kernel: Three, options: MaxPool3dOptions = {}): Tensor {
  checkOptions('maxPool3d', options, ['stride', 'padding', 'dilation', 'ceilMode']);
  const { ceilMode } = options;
  const [k, ...plane] = triple(kernel);
  const [stride, ...planeStride] = triple(options.stride ?? kernel);
  const [padding, ...planePadding] = triple(options.padding ?? 0);
  const [dilation, ...planeDilation] = triple(options.dilation ?? 1);
  return asPlanes(
    'maxPool3d',
    x,
    (y) => maxPool2d(y, plane, { stride: planeStride, padding: planePadding, dilation: planeDilation, ceilMode }),
    (y) => maxPool2d(y, [k, 1], { stride: [stride, 1], padding: [padding, 0], dilation: [dilation, 1], ceilMode }),
  );
}

/** Options of `avgPool3d`. */
export interface AvgPool3dOptions {
  /** Default: the kernel. */
  stride?: Three | null | undefined;
  /** Planes, rows and columns of zeros on both sides, fewer than the window has. Default: 0. */
  padding?: Three | undefined;
  /** Whether a last window that reaches beyond the padded volume counts. Default: false. */
  ceilMode?: boolean | undefined;
  /** Whether padding counts in the number that is divided by. Default: true. */
  countIncludePad?: boolean | undefined;
  /** What sums are divided by, in place of the number of elements. */
  divisorOverride?: number | null | undefined;
}

/**
 * The mean of each window over volumes (N, C, D, H, W) or (C, D, H, W), as {@link avgPool2d}. As
 * torch.nn.functional.avg_pool3d.
 */
export function avgPool3d(x: Tensor, kernel: Three, options: AvgPool3dOptions = {}): Tensor {
  checkOptions('avgPool3d', options, ['stride', 'padding', 'ceilMode', 'countIncludePad', 'divisorOverride']);
  const { ceilMode, countIncludePad, divisorOverride } = options;
  const [k, ...plane] = triple(kernel);
  const [stride, ...planeStride] = triple(options.stride ?? kernel);
  const [padding, ...planePadding] = triple(options.padding ?? 0);
  const shared = { ceilMode, countIncludePad };
  const sums = divisorOverride == null ? {} : { divisorOverride: 1 };
  return asPlanes(
    'avgPool3d',
    x,
    (y) => avgPool2d(y, plane, { ...shared, ...sums, stride: planeStride, padding: planePadding }),
    (y) => avgPool2d(y, [k, 1], { ...shared, divisorOverride, stride: [stride, 1], padding: [padding, 0] }),
  );
}

/**
 * {@link adaptiveAvgPool2d} of volumes (N, C, D, H, W) or (C, D, H, W); `size` is one number or planes, rows and columns.
 * As torch.nn.functional.adaptive_avg_pool3d.
 */
export function adaptiveAvgPool3d(x: Tensor, size: Three): Tensor {
  const [depth, ...plane] = triple(size);
  return asPlanes(
    'adaptiveAvgPool3d',
    x,
    (y) => adaptiveAvgPool2d(y, plane),
    (y) => adaptiveAvgPool2d(y, [depth, null]),
  );
}

/** Options of `maxUnpool2d`. */
export interface MaxUnpool2dOptions {
  /** Default: the kernel. */
  stride?: PoolPair | null | undefined;
  /** Default: 0. */
  padding?: PoolPair | undefined;
  /** Rows and columns of the result, where pooling rounded them down. */
  outputSize?: readonly number[] | undefined;
}

/**
 * Zeros with the values of `x` (N, C, P, Q) at the places that `indices`, of {@link maxPool2d}, name in each plane. Throws
 * ERR_SHAPE for indices of another shape. As torch.nn.functional.max_unpool2d.
 */
export function maxUnpool2d(x: Tensor, indices: Tensor, kernel: PoolPair, options: MaxUnpool2dOptions = {}): Tensor {
  checkOptions('maxUnpool2d', options, ['stride', 'padding', 'outputSize']);
  if (x.rank !== 3 && x.rank !== 4)
    throw new TilegradError(
      'ERR_SHAPE',
      `maxUnpool2d: input must be (N, C, P, Q) or (C, P, Q) but has shape [${x.shape.join(', ')}]`,
    );
  const stride = poolPair(options.stride ?? kernel);
  const padding = poolPair(options.padding ?? 0);
  const window = poolPair(kernel);
  const [h, w] = (options.outputSize?.slice(-2) ??
    [0, 1].map(
      (i) =>
        ((x.shape.at(i - 2) as number) - 1) * (stride[i] as number) -
        2 * (padding[i] as number) +
        (window[i] as number),
    )) as [number, number];
  const lead = x.shape.slice(0, -2);
  const flat = (y: Tensor): Tensor => reshape(y, [...lead, -1]);
  const empty = zeros([...lead, h * w] as Shape, { dtype: x.dtype, device: x.device });
  return reshape(scatter(empty, -1, flat(indices), flat(x)), [...lead, h, w]);
}

/** Options of `lpPool2d`. */
export interface LpPool2dOptions {
  /** Default: the kernel. */
  stride?: PoolPair | null | undefined;
  /** Whether a last window that reaches beyond the image counts. Default: false. */
  ceilMode?: boolean | undefined;
}

/**
 * The `norm`-th root of the sum of `norm`-th powers of each window of `kernel` rows and columns over images (N, C, H, W)
 * or (C, H, W). As torch.nn.functional.lp_pool2d.
 */
export function lpPool2d(x: Tensor, norm: number, kernel: PoolPair, options: LpPool2dOptions = {}): Tensor {
  checkOptions('lpPool2d', options, ['stride', 'ceilMode']);
  const [r, s] = poolPair(kernel);
  return pow(mul(relu(avgPool2d(pow(x, norm), kernel, options)), r * s), 1 / norm);
}
