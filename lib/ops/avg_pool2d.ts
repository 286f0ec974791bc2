// Means over windows of images in NCHW.
import { checkOptions, TilegradError } from '../error.ts';
import type { Attrs } from '../graph.ts';
import { defineOp, type Grads } from '../op.ts';
import { type Shape, Tensor } from '../tensor.ts';
import {
  adaptiveSize,
  onBatch,
  onnxWindows,
  type PoolPadding,
  type PoolPair,
  poolPadding,
  poolPair,
} from './max_pool2d.ts';

/** Options of `avgPool2d`. */
export interface AvgPool2dOptions {
  /** Default: the kernel. */
  stride?: PoolPair | null | undefined;
  /** Rows and columns of zeros around the image, fewer than the window has. Default: 0. */
  padding?: PoolPadding | undefined;
  /** Whether a last window that reaches beyond the padded image counts. Default: false. */
  ceilMode?: boolean | undefined;
  /** Whether padding counts in the number that is divided by. Default: true. */
  countIncludePad?: boolean | undefined;
  /** What sums are divided by, in place of the number of elements. */
  divisorOverride?: number | null | undefined;
}

const windows = ({ kernel, stride, padding, ceil_mode, count_include_pad, divisor }: Attrs): Attrs =>
  ({ kernel, stride, padding, ceil_mode, count_include_pad, divisor }) as Attrs;

const mean = defineOp('avg_pool2d', {
  call: (run) => (x: Tensor, attrs: Attrs) => run([x], attrs),
  grad: (ctx, dout): Grads => [avgPool2dInputGrad(dout, ctx.inputMeta(0).shape, ctx.attrs)],
  onnx: (graph, { inputs, attrs }) => {
    if (attrs.divisor !== 0) throw new TilegradError('ERR_UNSUPPORTED', 'avg_pool2d: ONNX has no divisorOverride');
    return graph.node('AveragePool', inputs, {
      ...onnxWindows(attrs),
      count_include_pad: attrs.count_include_pad ? 1 : 0,
    });
  },
});

const avgPool2dInputGrad = defineOp('avg_pool2d_input_grad', {
  call: (run) => (dout: Tensor, shape: Shape, attrs: Attrs) => run([dout], { ...windows(attrs), shape }),
  grad: (ctx, ddx): Grads => [mean(ddx, windows(ctx.attrs))],
  onnx: 'none',
});

/**
 * The mean of each window of `kernel` rows and columns over images `x` (N, C, H, W) or (C, H, W), as (N, C, P, Q).
 * Floating-point dtypes; f16 and bf16 are summed in f32. Throws ERR_SHAPE when the window is larger than the padded
 * image, ERR_ARGUMENT for options out of range, ERR_DTYPE for other dtypes. As torch.nn.functional.avg_pool2d.
 */
export function avgPool2d(x: Tensor, kernel: PoolPair, options: AvgPool2dOptions = {}): Tensor {
  checkOptions('avgPool2d', options, ['stride', 'padding', 'ceilMode', 'countIncludePad', 'divisorOverride']);
  const { divisorOverride } = options;
  if (divisorOverride === 0) throw new TilegradError('ERR_ARGUMENT', 'avg_pool2d: divisorOverride must not be 0');
  const attrs = {
    kernel: poolPair(kernel),
    stride: poolPair(options.stride ?? kernel),
    padding: poolPadding(options.padding ?? 0),
    ceil_mode: options.ceilMode ?? false,
    count_include_pad: options.countIncludePad ?? true,
    divisor: divisorOverride ?? 0,
  };
  return onBatch('avg_pool2d', x, (batch) => [mean(batch, attrs)])[0] as Tensor;
}

const adaptiveMean = defineOp('adaptive_avg_pool2d', {
  call: (run) => (x: Tensor, size: readonly number[]) => run([x], { size }),
  grad: (ctx, dout): Grads => [
    adaptiveAvgPool2dInputGrad(dout, ctx.inputMeta(0).shape, ctx.attrs.size as readonly number[]),
  ],
  onnx: (graph, { inputs, inputMeta, attrs }) => {
    const [p, q] = attrs.size as readonly [number, number];
    const [h, w] = (inputMeta[0]?.shape ?? []).slice(2) as [number, number];
    if (p === 1 && q === 1) return graph.node('GlobalAveragePool', inputs);
    if (h % p !== 0 || w % q !== 0)
      throw new TilegradError(
        'ERR_UNSUPPORTED',
        `adaptive_avg_pool2d: ONNX has no windows that differ in size ([${h}, ${w}] to [${p}, ${q}])`,
      );
    const kernel = [h / p, w / q];
    return graph.node('AveragePool', inputs, { kernel_shape: kernel, strides: kernel });
  },
});

const adaptiveAvgPool2dInputGrad = defineOp('adaptive_avg_pool2d_input_grad', {
  call: (run) => (dout: Tensor, shape: Shape, size: readonly number[]) => run([dout], { size, shape }),
  grad: (ctx, ddx): Grads => [adaptiveMean(ddx, ctx.attrs.size as readonly number[])],
  onnx: 'none',
});

/**
 * The means of windows of nearly equal size that cover images `x` (N, C, H, W) or (C, H, W), as (N, C, ...size): cell i of
 * P takes rows floor(i H / P) to before ceil((i + 1) H / P). `size` is one number or rows and columns; null keeps the
 * image's. Floating-point dtypes; f16 and bf16 are summed in f32. Throws ERR_ARGUMENT for sizes below 1, ERR_SHAPE for
 * empty images, ERR_DTYPE for other dtypes. As torch.nn.functional.adaptive_avg_pool2d.
 */
export function adaptiveAvgPool2d(x: Tensor, size: number | readonly [number | null, number | null]): Tensor {
  const [p, q] = adaptiveSize('adaptive_avg_pool2d', size);
  const pool = (batch: Tensor) => [
    adaptiveMean(batch, [p ?? (batch.shape[2] as number), q ?? (batch.shape[3] as number)]),
  ];
  return onBatch('adaptive_avg_pool2d', x, pool)[0] as Tensor;
}

declare module '../tensor.ts' {
  interface Tensor<S extends Shape> {
    /** {@link avgPool2d}. */
    avgPool2d(kernel: PoolPair, options?: AvgPool2dOptions): Tensor;
    /** {@link adaptiveAvgPool2d}. */
    adaptiveAvgPool2d(size: number | readonly [number | null, number | null]): Tensor;
  }
}

Tensor.prototype.avgPool2d = function (kernel, options) {
  return avgPool2d(this, kernel, options);
};
Tensor.prototype.adaptiveAvgPool2d = function (size) {
  return adaptiveAvgPool2d(this, size);
};
