// 2-D convolution (cross-correlation) over images in NCHW.
import { checkOptions, describeValue, TilegradError } from '../error.ts';
import { cpu } from '../device.ts';
import { type Attrs, type AttrValue, isGradEnabled } from '../graph.ts';
import { defineOp, type Grads, type OnnxCall, type OnnxGraph } from '../op.ts';
import { getFloat32MatmulPrecision } from '../precision.ts';
import type { Shape, Tensor } from '../tensor.ts';
import type { Conv2dFault, Conv2dShape } from '../typed_shapes.ts';
import { beforeActivation, type FusedActivation } from './activation_gradients.ts';
import { expectTensor } from './arguments.ts';
import { maxPool2d, maxPool2dInputGrad, maxPool2dPick } from './max_pool2d.ts';
import { add } from './elementwise.ts';
import { sum } from './reduce.ts';
import { expand, reshape } from './views.ts';

type Pair = number | readonly [number, number];

/** Options of `conv2d`. */
export interface Conv2dOptions {
  /** Default: 1. */
  stride?: Pair | undefined;
  /**
   * Zeros around the input: one number, rows and columns, or top, bottom, left and right; 'valid' for none, 'same' for an
   * output of the input's size (stride 1). Default: 0.
   */
  padding?: Pair | readonly [number, number, number, number] | 'same' | 'valid' | undefined;
  /** Distance between the taps of the kernel. Default: 1. */
  dilation?: Pair | undefined;
  /** Channels are split into this many independent convolutions. Default: 1. */
  groups?: number | undefined;
}

const pair = (value: Pair): readonly [number, number] => (typeof value === 'number' ? [value, value] : value);

/**
 * Places at top, bottom, left and right; the odd one of 'same' goes to the far side, as in PyTorch. The last two sizes of
 * `kernel` count. @internal
 */
export function conv2dPadding(options: Conv2dOptions, kernel: Shape): number[] {
  const { padding = 0 } = options;
  if (padding === 'valid') return [0, 0, 0, 0];
  if (padding !== 'same') {
    if (typeof padding === 'number') return [padding, padding, padding, padding];
    const given = Array.isArray(padding) ? (padding as readonly number[]) : [];
    if (given.length === 4) return [...given];
    const [h, w] = given;
    if (h !== undefined && w !== undefined && given.length === 2) return [h, h, w, w];
    throw new TilegradError(
      'ERR_ARGUMENT',
      `conv2d: padding must be a number, 2 or 4 of them, 'same' or 'valid' but is ${describeValue(padding)}`,
    );
  }
  const stride = pair(options.stride ?? 1);
  if (stride[0] !== 1 || stride[1] !== 1)
    throw new TilegradError('ERR_ARGUMENT', "conv2d: padding 'same' needs stride 1");
  const dilation = pair(options.dilation ?? 1);
  return [0, 1].flatMap((i) => {
    const total = (dilation[i] as number) * ((kernel.at(i - 2) as number) - 1);
    return [Math.floor(total / 2), total - Math.floor(total / 2)];
  });
}

type Activation = 'none' | FusedActivation;

// Attributes are written out name by name: an object that others are spread into takes as long as a small convolution.
const settings = ({ stride, padding, dilation, groups, winograd }: Attrs, shape: Shape): Attrs =>
  ({ stride, padding, dilation, groups, winograd, precision: getFloat32MatmulPrecision(), shape }) as Attrs;

let winograd = true;

/**
 * Whether convolutions of f32, f16 and bf16, and their gradients, may compute 3 x 3 kernels of stride 1 on the CPU by
 * Winograd's F(4x4, 3x3), which takes a quarter of the multiplications; true at first. Its rounding errors are a few times
 * those of plain sums: up to about 5e-6 of the largest output. Infinite, NaN and overflowing sums come out as in the plain
 * sum. What was recorded for a gradient keeps to the choice at its call. Throws ERR_ARGUMENT unless `enabled` is a boolean.
 */
export function setWinograd(enabled: boolean): void {
  if (typeof enabled !== 'boolean')
    throw new TilegradError('ERR_ARGUMENT', `setWinograd: expects true or false but got ${String(enabled)}`);
  winograd = enabled;
}

/** Whether Winograd's algorithm may be used. See {@link setWinograd}. */
export function isWinogradEnabled(): boolean {
  return winograd;
}

function onnxConvolution(graph: OnnxGraph, { inputs, inputMeta, attrs }: OnnxCall): string {
  const [top, bottom, left, right] = attrs.padding as [number, number, number, number];
  const [x, weight, bias, residual] = inputs;
  const product = residual === undefined ? inputs : [x, weight, ...(inputMeta[2] ? [bias] : [])];
  let y = graph.node('Conv', product as string[], {
    kernel_shape: inputMeta[1]?.shape.slice(2) ?? [],
    strides: attrs.stride as number[],
    pads: [top, left, bottom, right],
    dilations: attrs.dilation as number[],
    group: attrs.groups as number,
  });
  if (residual !== undefined) y = graph.node('Add', [y, residual]);
  if (attrs.activation === 'none') return y;
  if (attrs.activation === 'relu') return graph.node('Relu', [y]);
  const bound = (value: number) => graph.constant([value], inputMeta[0]?.dtype, []);
  return graph.node('Clip', [y, bound(0), bound(6)]);
}

const convolution = defineOp('conv2d', {
  call: (run) => (x: Tensor, weight: Tensor, bias: Tensor | null, residual: Tensor | null, attrs: Attrs) => {
    if (residual) return run([x, weight, bias, residual], attrs);
    return run(bias ? [x, weight, bias] : [x, weight], attrs);
  },
  saves: { inputs: [0, 1], outputs: ({ activation }) => (activation === 'none' ? [] : [0]) },
  grad: (ctx, dy): Grads => {
    const dout = beforeActivation(ctx.attrs.activation as Activation, dy, () => ctx.output(0));
    const grads = [
      ctx.needs(0) ? conv2dInputGrad(dout, ctx.input(1), ctx.inputMeta(0).shape, ctx.attrs) : null,
      ctx.needs(1) ? conv2dWeightGrad(ctx.input(0), dout, ctx.inputMeta(1).shape, ctx.attrs) : null,
    ];
    if (ctx.inputCount > 2) grads.push(ctx.needs(2) ? sum(dout, [0, 2, 3]) : null);
    if (ctx.inputCount > 3) grads.push(ctx.needs(3) ? dout : null);
    return grads;
  },
  onnx: onnxConvolution,
});

/** Without bias, residual and activation. */
const plain = (x: Tensor, weight: Tensor, { stride, padding, dilation, groups, winograd }: Attrs): Tensor => {
  const precision = getFloat32MatmulPrecision();
  const attrs = { stride, padding, dilation, groups, winograd, precision, activation: 'none' } as Attrs;
  return convolution(x, weight, null, null, attrs);
};

/** The gradient of conv2d for its input of `shape`, which is also the transposed convolution. @internal */
export const conv2dInputGrad = defineOp('conv2d_input_grad', {
  call: (run) => (dout: Tensor, weight: Tensor, shape: Shape, attrs: Attrs) =>
    run([dout, weight], settings(attrs, shape)),
  saves: { inputs: [0, 1] },
  grad: (ctx, ddx): Grads => [
    ctx.needs(0) ? plain(ddx, ctx.input(1), ctx.attrs) : null,
    ctx.needs(1) ? conv2dWeightGrad(ddx, ctx.input(0), ctx.inputMeta(1).shape, ctx.attrs) : null,
  ],
  onnx: 'none',
});

const conv2dWeightGrad = defineOp('conv2d_weight_grad', {
  call: (run) => (x: Tensor, dout: Tensor, shape: Shape, attrs: Attrs) => run([x, dout], settings(attrs, shape)),
  saves: { inputs: [0, 1] },
  grad: (ctx, ddw): Grads => [
    ctx.needs(0) ? conv2dInputGrad(ctx.input(1), ddw, ctx.inputMeta(0).shape, ctx.attrs) : null,
    ctx.needs(1) ? plain(ctx.input(0), ddw, ctx.attrs) : null,
  ],
  onnx: 'none',
});

const windows: Attrs = { kernel: [2, 2], stride: [2, 2], padding: [0, 0, 0, 0], ceil_mode: false, dilation: [1, 1] };

/** Rows and columns of a convolution's result. @internal */
export function conv2dSize(x: Shape, weight: Shape, { stride, padding, dilation }: Attrs): [p: number, q: number] {
  const side = (i: number): number => {
    const near = (padding as number[])[2 * i] as number;
    const far = (padding as number[])[2 * i + 1] as number;
    const reach = ((dilation as number[])[i] as number) * ((weight[2 + i] as number) - 1) + 1;
    return Math.floor(((x[2 + i] as number) + near + far - reach) / ((stride as number[])[i] as number)) + 1;
  };
  return [side(0), side(1)];
}

const pooled = defineOp('conv2d_max_pool2d', {
  call: (run) => (x: Tensor, weight: Tensor, bias: Tensor | null, attrs: Attrs) =>
    run.all(bias ? [x, weight, bias] : [x, weight], attrs),
  saves: { inputs: [0, 1], outputs: [0, 1] },
  differentiable: [0],
  grad: (ctx, dy): Grads => {
    const wanted = { input: ctx.needs(0), weight: ctx.needs(1), bias: ctx.inputCount === 3 && ctx.needs(2) };
    const found = pooledGrads(dy, ctx.input(0), ctx.input(1), ctx.output(0), ctx.output(1), {
      ...ctx.attrs,
      ...wanted,
    });
    const next = (asked: boolean): Tensor | null => (asked ? (found.shift() as Tensor) : null);
    const grads = [next(wanted.input), next(wanted.weight)];
    return ctx.inputCount === 3 ? [...grads, next(wanted.bias)] : grads;
  },
  onnx: (graph, call) =>
    graph.node('MaxPool', [onnxConvolution(graph, call)], { kernel_shape: [2, 2], strides: [2, 2] }),
});

const pooledGrads = defineOp('conv2d_max_pool2d_grad', {
  call: (run) => (dy: Tensor, x: Tensor, weight: Tensor, y: Tensor, taps: Tensor, attrs: Attrs) =>
    run.all([dy, x, weight, y, taps], attrs),
  saves: { inputs: [0, 1, 2, 3, 4] },
  // The gradients are those of a convolution by the gradient before pooling, `dense`, which is linear in dy.
  grad: (ctx, ...given): Grads => {
    const { attrs } = ctx;
    const next = (asked: unknown): Tensor | null => (asked ? ((given as (Tensor | null)[]).shift() ?? null) : null);
    const [ddx, ddw, ddb] = [next(attrs.input), next(attrs.weight), next(attrs.bias)];
    const [x, weight, y, taps] = [ctx.input(1), ctx.input(2), ctx.input(3), ctx.input(4)];
    const plain = { ...attrs, activation: 'none' };
    const size = [...y.shape.slice(0, 2), ...conv2dSize(x.shape, weight.shape, attrs)];
    const activation = attrs.activation as Activation;
    const dense = (): Tensor =>
      maxPool2dInputGrad(
        beforeActivation(activation, ctx.input(0), () => y),
        taps,
        size,
        windows,
      );
    let change: Tensor | null = null;
    if (ddx) change = convolution(ddx, weight, null, null, plain);
    if (ddw) {
      const part = convolution(x, ddw, null, null, plain);
      change = change ? add(change, part) : part;
    }
    let ddy = change && maxPool2dPick(change, taps, windows);
    if (ddb) {
      const part = expand(reshape(ddb, [1, -1, 1, 1]), y.shape);
      ddy = ddy ? add(ddy, part) : part;
    }
    return [
      ctx.needs(0) && ddy ? beforeActivation(activation, ddy, () => y) : null,
      ctx.needs(1) && ddw ? conv2dInputGrad(dense(), ddw, x.shape, attrs) : null,
      ctx.needs(2) && ddx ? conv2dWeightGrad(ddx, dense(), weight.shape, attrs) : null,
      null,
      null,
    ];
  },
  onnx: 'none',
});

/** Whether one op computes a convolution and its pooling: f32, where neither Winograd's algorithm nor tensor cores do better. */
function poolsInside(x: Tensor, weight: Tensor, bias: Tensor | null, attrs: Attrs): boolean {
  if (x.rank !== 4 || weight.rank !== 4) return false;
  if (x.dtype !== 'f32' || weight.dtype !== 'f32' || (bias !== null && bias.dtype !== 'f32')) return false;
  const ones = (sizes: AttrValue | undefined): boolean =>
    (sizes as readonly number[])[0] === 1 && (sizes as readonly number[])[1] === 1;
  const squares = weight.shape[2] === 3 && weight.shape[3] === 3;
  if (x.device !== cpu && attrs.precision !== 'highest') return false;
  if (x.device === cpu && squares && attrs.winograd && ones(attrs.stride) && ones(attrs.dilation)) return false;
  const [p, q] = conv2dSize(x.shape, weight.shape, attrs);
  return p >= 2 && q >= 2;
}

/** max_pool2d of 2 x 2 windows over activation(convolution + bias). */
function convolutionPooled(x: Tensor, weight: Tensor, bias: Tensor | null, attrs: Attrs): Tensor {
  const { stride, padding, dilation, groups, winograd, precision, activation } = attrs;
  const taps = isGradEnabled() && (x.requiresGrad || weight.requiresGrad || bias?.requiresGrad === true);
  const settings = { stride, padding, dilation, groups, winograd, precision, activation, taps } as Attrs;
  const outputs = pooled(x, weight, bias, settings);
  // The tape holds the taps on its own account.
  outputs[1]?.dispose();
  return outputs[0] as Tensor;
}

const optionNames = ['stride', 'padding', 'dilation', 'groups', 'bias', 'residual', 'activation', 'maxPool'] as const;

/** What follows a convolution before its result is written: activation(convolution + bias + residual). */
export interface Conv2dEpilogue {
  /** (K), added to each channel. Default: none. */
  bias?: Tensor | null | undefined;
  /** (N, K, P, Q), added as it is. Default: none. */
  residual?: Tensor | null | undefined;
  /** 'relu' for max(y, 0), 'relu6' for that and at most 6; NaN stays NaN. Default: none. */
  activation?: FusedActivation | null | undefined;
  /** Rows and columns of the windows, without overlap, of which only the largest values are given. Default: no pooling. */
  maxPool?: number | null | undefined;
}

/**
 * Slides the kernels `weight` (K, C / groups, R, S) over images `x` (N, C, H, W) and gives (N, K, P, Q), to which bias,
 * residual, activation and max pooling are applied, if given. Floating-point dtypes; f16 and bf16 are summed in f32. Throws ERR_SHAPE
 * when channels do not fit or the kernel is larger than the padded image, ERR_ARGUMENT for options out of range, ERR_DTYPE
 * for other or unequal dtypes. As torch.nn.functional.conv2d.
 */
export function conv2d<X extends Shape, W extends Shape, Groups extends number | undefined = undefined>(
  x: Tensor<X>,
  weight: Tensor<W> & Conv2dFault<X, W, Groups>,
  options: Conv2dOptions & Conv2dEpilogue & { groups?: Groups } = {},
): Tensor<Conv2dShape<X, W>> {
  checkOptions('conv2d', options, optionNames);
  expectTensor('conv2d', 'input', x);
  expectTensor('conv2d', 'weight', weight);
  const { bias = null, residual = null } = options;
  const maxPool = options.maxPool ?? null;
  const activation = options.activation ?? 'none';
  const attrs = {
    stride: pair(options.stride ?? 1),
    padding: conv2dPadding(options, weight.shape),
    dilation: pair(options.dilation ?? 1),
    groups: options.groups ?? 1,
    winograd,
    precision: getFloat32MatmulPrecision(),
    activation,
  };
  if (maxPool === 2 && residual === null && poolsInside(x, weight, bias, attrs))
    return convolutionPooled(x, weight, bias, attrs) as Tensor<Conv2dShape<X, W>>;
  const y = convolution(x, weight, bias, residual, attrs);
  return (maxPool === null ? y : maxPool2d(y, maxPool)) as Tensor<Conv2dShape<X, W>>;
}

/** The attributes of every convolution of integers. @internal */
export function convAttrs(op: string, options: Conv2dOptions, weight: Tensor): Attrs {
  expectTensor(op, 'weight', weight);
  return {
    stride: pair(options.stride ?? 1),
    padding: conv2dPadding(options, weight.shape),
    dilation: pair(options.dilation ?? 1),
    groups: options.groups ?? 1,
  };
}
