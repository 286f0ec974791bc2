// Convolution of quantised images, with the scales that lead back to floats or bytes.
import { cpu } from '../device.ts';
import { checkOptions, TilegradError } from '../error.ts';
import type { Attrs } from '../graph.ts';
import { defineOp } from '../op.ts';
import type { Tensor } from '../tensor.ts';
import { besides, expectTensor } from './arguments.ts';
import { type Conv2dOptions, conv2dSize, convAttrs } from './conv2d.ts';
import { maxPool2d } from './max_pool2d.ts';
import type { QuantizeParameter } from './quantize.ts';

/** Options of `int8Conv2d`. */
export interface Int8Conv2dOptions extends Conv2dOptions {
  /** A whole number, or i32, one: also the value of the padding. Default: 0. */
  xZeroPoint?: QuantizeParameter | null | undefined;
  /** A whole number, or i32, one for all or one per output channel. Default: 0. */
  weightZeroPoint?: QuantizeParameter | null | undefined;
  /** A number, or f32, one for all or one per output channel: what a unit of the integer sum is worth in the output. */
  scale?: QuantizeParameter | null | undefined;
  /** One per output channel: i32 is added to the integer sum, f32 after scaling. */
  bias?: Tensor | null | undefined;
  /** i32 without a scale; with one f32, or u8 or i8, rounded half to even and clamped. Default: f32 with a scale, else i32. */
  dtype?: 'i32' | 'f32' | 'u8' | 'i8' | undefined;
  /** Added to an output of u8 or i8 after rounding. Default: 0. */
  outZeroPoint?: number | undefined;
  /** Negative results become 0 before they are rounded. Default: false. */
  relu?: boolean | undefined;
}

const convolution = defineOp('int8_conv2d', {
  call: (run) => run,
  grad: 'none',
  onnx: (graph, { inputs, inputMeta, attrs }) => {
    if (attrs.dtype !== 'i32' || inputMeta[5])
      throw new TilegradError(
        'ERR_UNSUPPORTED',
        'int8_conv2d: only the plain integer convolution has an ONNX operator',
      );
    const [top, bottom, left, right] = attrs.padding as [number, number, number, number];
    return graph.node('ConvInteger', inputs.slice(0, 4), {
      strides: attrs.stride as number[],
      pads: [top, left, bottom, right],
      dilations: attrs.dilation as number[],
      group: attrs.groups as number,
    });
  },
});

const own = ['xZeroPoint', 'weightZeroPoint', 'scale', 'bias', 'dtype', 'outZeroPoint', 'relu'];

/**
 * Slides kernels `weight` (K, C / groups, R, S) over images `x` (N, C, H, W), both u8 or i8, exactly, at every value on every
 * machine: (x - xZeroPoint) (weight - weightZeroPoint) in 32-bit integers, then times `scale` to floats or back to bytes.
 * Geometry as of conv2d. Throws ERR_SHAPE, ERR_DTYPE, and ERR_ARGUMENT for a scale that is missing or not wanted.
 * As ONNX's ConvInteger and, with a scale and bytes out, QLinearConv.
 */
export function int8Conv2d(x: Tensor, weight: Tensor, options: Int8Conv2dOptions = {}): Tensor {
  checkOptions('int8Conv2d', options, ['stride', 'padding', 'dilation', 'groups', ...own]);
  expectTensor('int8_conv2d', 'input', x);
  const { xZeroPoint = null, weightZeroPoint = null, scale = null, bias = null } = options;
  const zeroPoints = [besides(x, xZeroPoint, 'i32'), besides(x, weightZeroPoint, 'i32')];
  return convolution([x, weight, ...zeroPoints, besides(x, scale, 'f32'), bias], {
    ...convAttrs('int8_conv2d', options, weight),
    dtype: options.dtype ?? (scale === null ? 'i32' : 'f32'),
    out_zero_point: options.outZeroPoint ?? 0,
    relu: options.relu ?? false,
  });
}

/** Geometry as of conv2d, and what follows the product. */
export interface DynamicConv2dProductOptions extends Conv2dOptions {
  /** Negative results become 0. Default: false. */
  relu?: boolean | undefined;
  /** Rows and columns of the windows, without overlap, of which only the largest values are given. Default: no pooling. */
  maxPool?: number | null | undefined;
}

const dynamicConvolution = defineOp('int8_conv2d_dynamic', { call: (run) => run, grad: 'none', onnx: 'none' });
const dynamicConvolutionPooled = defineOp('int8_conv2d_max_pool2d_dynamic', {
  call: (run) => run,
  grad: 'none',
  onnx: 'none',
});

// With as many channels tiles of the processor multiply faster than the kernel that pools.
const manyChannels = 32;

function poolsInside(x: Tensor, weight: Tensor, attrs: Attrs): boolean {
  if (x.rank !== 4 || weight.rank !== 4) return false;
  if (x.device === cpu && (weight.shape[1] as number) >= manyChannels) return false;
  const [p, q] = conv2dSize(x.shape, weight.shape, attrs);
  return p >= 2 && q >= 2;
}

/**
 * conv2d in integers: x (N, C, H, W) (f32, f16 or bf16) becomes u8 by its own range, weight (K, C / groups, R, S) is i8
 * with `weightScale` (f32, one or K), bias is f32 [K] or null; gives f32, to which ReLU and
 * max pooling are applied, if asked for. For inference: no gradient flows. Throws ERR_SHAPE,
 * ERR_DTYPE. As torch.ops.quantized.conv2d_dynamic.
 */
export function int8Conv2dDynamic(
  x: Tensor,
  weight: Tensor,
  weightScale: Tensor,
  bias: Tensor | null = null,
  options: DynamicConv2dProductOptions = {},
): Tensor {
  checkOptions('int8Conv2dDynamic', options, ['stride', 'padding', 'dilation', 'groups', 'relu', 'maxPool']);
  expectTensor('int8_conv2d_dynamic', 'input', x);
  const maxPool = options.maxPool ?? null;
  const inputs = bias ? [x, weight, weightScale, bias] : [x, weight, weightScale];
  const attrs = { ...convAttrs('int8_conv2d_dynamic', options, weight), relu: options.relu ?? false };
  if (maxPool === 2 && poolsInside(x, weight, attrs)) return dynamicConvolutionPooled(inputs, attrs);
  const y = dynamicConvolution(inputs, attrs);
  return maxPool === null ? y : maxPool2d(y, maxPool);
}
