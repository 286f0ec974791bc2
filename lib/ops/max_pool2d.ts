// Maximum over windows of images in NCHW.
import { checkOptions, TilegradError } from '../error.ts';
import { type Attrs, isGradEnabled } from '../graph.ts';
import { defineOp, type Grads } from '../op.ts';
import { type Shape, Tensor } from '../tensor.ts';
import { expectTensor } from './arguments.ts';
import { reshape } from './views.ts';

/** One number for both directions, or rows and columns. */
export type PoolPair = number | readonly [number, number];
/** One number, rows and columns, or top, bottom, left and right. */
export type PoolPadding = PoolPair | readonly [number, number, number, number];

/** Options of `maxPool2d`. */
export interface MaxPool2dOptions {
  /** Default: the kernel. */
  stride?: PoolPair | null | undefined;
  /** Rows and columns of minus infinity around the image, fewer than the window spans. Default: 0. */
  padding?: PoolPadding | undefined;
  /** Distance between the taps of the window. Default: 1. */
  dilation?: PoolPair | undefined;
  /** Whether a last window that reaches beyond the padded image counts. Default: false. */
  ceilMode?: boolean | undefined;
}

export const poolPair = (value: PoolPair): readonly [number, number] =>
  typeof value === 'number' ? [value, value] : value;

export function poolPadding(value: PoolPadding): readonly number[] {
  if (typeof value === 'number') return [value, value, value, value];
  // The op itself refuses what is no list of four.
  return Array.isArray(value) && value.length === 2
    ? [value[0], value[0], value[1], value[1]]
    : (value as readonly number[]);
}

/** Rows and columns of an adaptive pool; null keeps the image's. */
export function adaptiveSize(
  op: string,
  size: number | readonly [number | null, number | null],
): readonly [number | null, number | null] {
  if (typeof size === 'number') return [size, size];
  if (Array.isArray(size) && size.length === 2) return size as readonly [number | null, number | null];
  throw new TilegradError(
    'ERR_ARGUMENT',
    `${op}: size must be one number, or rows and columns, but is ${String(size)}`,
  );
}

/** Runs `pool` on images (N, C, H, W); one image (C, H, W) becomes a batch of one on the way. */
export function onBatch(op: string, x: Tensor, pool: (batch: Tensor) => Tensor[]): Tensor[] {
  expectTensor(op, 'input', x);
  if (x.rank === 4) return pool(x);
  if (x.rank !== 3)
    throw new TilegradError(
      'ERR_SHAPE',
      `${op}: input must be (N, C, H, W) or (C, H, W) but has shape [${x.shape.join(', ')}]`,
    );
  return pool(reshape(x, [1, ...x.shape])).map((y) => reshape(y, y.shape.slice(1)));
}

/** The attributes of ONNX's MaxPool and AveragePool that both have. */
export function onnxWindows(attrs: Attrs): Record<string, number | readonly number[]> {
  const [top, bottom, left, right] = attrs.padding as [number, number, number, number];
  return {
    kernel_shape: attrs.kernel as number[],
    strides: attrs.stride as number[],
    pads: [top, left, bottom, right],
    ceil_mode: attrs.ceil_mode ? 1 : 0,
  };
}

const windows = ({ kernel, stride, padding, ceil_mode, dilation }: Attrs): Attrs =>
  ({ kernel, stride, padding, ceil_mode, dilation }) as Attrs;

const maximum = defineOp('max_pool2d', {
  call: (run) => (x: Tensor, attrs: Attrs) => run.all([x], attrs),
  saves: { outputs: [1] },
  differentiable: [0],
  grad: (ctx, dout): Grads => [maxPool2dInputGrad(dout, ctx.output(1), ctx.inputMeta(0).shape, ctx.attrs)],
  onnx: (graph, { inputs, attrs }) => {
    if (attrs.outputs === 'indices')
      throw new TilegradError(
        'ERR_UNSUPPORTED',
        'max_pool2d: indices are not exported to ONNX, which numbers otherwise',
      );
    return graph.node('MaxPool', inputs, { ...onnxWindows(attrs), dilations: attrs.dilation as number[] });
  },
});

/** Each gradient at the tap that won, zeros elsewhere. @internal */
export const maxPool2dInputGrad = defineOp('max_pool2d_input_grad', {
  call: (run) => (dout: Tensor, taps: Tensor, shape: Shape, attrs: Attrs) =>
    run([dout, taps], { ...windows(attrs), shape }),
  saves: { inputs: [1] },
  grad: (ctx, ddx): Grads => [maxPool2dPick(ddx, ctx.input(1), ctx.attrs), null],
  onnx: 'none',
});

/** The values of x at the taps that won in another tensor. @internal */
export const maxPool2dPick = defineOp('max_pool2d_pick', {
  call: (run) => (x: Tensor, taps: Tensor, attrs: Attrs) => run([x, taps], windows(attrs)),
  saves: { inputs: [1] },
  grad: (ctx, dout): Grads => [maxPool2dInputGrad(dout, ctx.input(1), ctx.inputMeta(0).shape, ctx.attrs), null],
  onnx: 'none',
});

/**
 * The largest value of each window of `kernel` rows and columns over images `x` (N, C, H, W) or (C, H, W), as
 * (N, C, P, Q). NaN counts as largest; of equal values the first wins and receives the gradient. With `returnIndices`
 * also where it stood, i64 (N, C, P, Q): row * W + column in its plane. Floating-point dtypes. Throws ERR_SHAPE when
 * the window is larger than the padded image, ERR_ARGUMENT for options out of range, ERR_DTYPE for other dtypes.
 * As torch.nn.functional.max_pool2d.
 */
export function maxPool2d(
  x: Tensor,
  kernel: PoolPair,
  options: MaxPool2dOptions & { returnIndices: true },
): [values: Tensor, indices: Tensor];
export function maxPool2d(x: Tensor, kernel: PoolPair, options?: MaxPool2dOptions & { returnIndices?: false }): Tensor;
export function maxPool2d(
  x: Tensor,
  kernel: PoolPair,
  options: MaxPool2dOptions & { returnIndices?: boolean } = {},
): Tensor | [values: Tensor, indices: Tensor] {
  checkOptions('maxPool2d', options, ['stride', 'padding', 'dilation', 'ceilMode', 'returnIndices']);
  const attrs = {
    kernel: poolPair(kernel),
    stride: poolPair(options.stride ?? kernel),
    padding: poolPadding(options.padding ?? 0),
    dilation: poolPair(options.dilation ?? 1),
    ceil_mode: options.ceilMode ?? false,
  };
  const [y, indices] = onBatch('max_pool2d', x, (batch) => {
    const saved = batch.requiresGrad && isGradEnabled() ? 'taps' : 'values';
    const outputs = options.returnIndices ? 'indices' : saved;
    const [values, taps, ...rest] = maximum(batch, { ...attrs, outputs }) as [Tensor, Tensor?, Tensor?];
    // The tape holds the taps on its own account.
    taps?.dispose();
    return [values, ...(rest as Tensor[])];
  }) as [Tensor, Tensor?];
  return indices ? [y, indices] : y;
}

declare module '../tensor.ts' {
  interface Tensor<S extends Shape> {
    /** {@link maxPool2d}. */
    maxPool2d(kernel: PoolPair, options?: MaxPool2dOptions): Tensor;
  }
}

Tensor.prototype.maxPool2d = function (kernel, options) {
  return maxPool2d(this, kernel, options);
};
