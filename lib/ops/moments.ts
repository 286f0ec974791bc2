// Variance, standard deviation, log-sum-exp and norms over dimensions.
import { checkOptions } from '../error.ts';
import { defineOp, type Grads, type OnnxCall, type OnnxGraph } from '../op.ts';
import { Tensor } from '../tensor.ts';
import { cast } from './cast.ts';
import { eq, logicalOr, where } from './comparisons.ts';
import { abs, div, mul, pow, sign, sub } from './elementwise.ts';
import { amax, amin } from './extremes.ts';
import { full } from './full.ts';
import { like } from './operand.ts';
import { mean, sum } from './reduce.ts';
import { onnxReduce, reducedCount, reducedDims, reduction, type Dims, unreduced, widened } from './reduced.ts';
import { softmax } from './softmax.ts';
import { permute, reshape } from './views.ts';

/** Options of the variance and the standard deviation. */
export interface VarOptions {
  /** What is taken from the count of the elements before dividing by it. Default: 1. */
  correction?: number | undefined;
  /** Leaves the reduced dimensions with size 1. Default: false. */
  keepdim?: boolean | undefined;
}

function varAttrs(op: string, x: Tensor, dim: Dims, options: VarOptions) {
  checkOptions(op, options, ['correction', 'keepdim']);
  const { correction = 1, keepdim = false } = options;
  return { dims: reducedDims(op, x, dim), keepdim, correction };
}

/** 2 (x - mean) / (n - correction) times the gradient of the variance. */
function varianceGrad(x: Tensor, dout: Tensor, dims: number[], count: number): Tensor {
  return mul(mul(sub(x, mean(x, dims, true)), 2 / Math.max(count, 0)), dout);
}

function onnxVariance(graph: OnnxGraph, { inputs, inputMeta, attrs }: OnnxCall): string {
  const axes = graph.constant(attrs.dims as number[], 'i64');
  const dtype = inputMeta[0]?.dtype ?? 'f32';
  const center = graph.node('ReduceMean', [inputs[0] as string, axes], { keepdims: 1, noop_with_empty_axes: 1 });
  const deviation = graph.node('Sub', [inputs[0] as string, center]);
  const squares = graph.node('Mul', [deviation, deviation]);
  const total = graph.node('ReduceSum', [squares, axes], { keepdims: attrs.keepdim ? 1 : 0, noop_with_empty_axes: 1 });
  const count = reducedCount(inputMeta[0]?.shape ?? [], attrs) - (attrs.correction as number);
  return graph.node('Div', [total, graph.constant([count], dtype, [])]);
}

/**
 * The variance over `dim` (default all): the sum of the squared deviations from the mean over the count less
 * `correction`; NaN where that is 0. Floats only, else ERR_DTYPE. As torch.var; also exported as `var`.
 */
export const variance = defineOp('var', {
  call:
    (run) =>
    (x: Tensor, dim?: Dims, options: VarOptions = {}): Tensor =>
      run([x], varAttrs('var', x, dim, options)),
  saves: { inputs: [0] },
  grad: (ctx, dout): Grads => {
    const x = ctx.input(0);
    const count = reducedCount(x.shape, ctx.attrs) - (ctx.attrs.correction as number);
    return [varianceGrad(x, unreduced(dout, x.shape, ctx.attrs), ctx.attrs.dims as number[], count)];
  },
  onnx: onnxVariance,
});

/** The square root of the {@link variance}; its gradient is 0 where it is 0. As torch.std. */
export const std = defineOp('std', {
  call:
    (run) =>
    (x: Tensor, dim?: Dims, options: VarOptions = {}): Tensor =>
      run([x], varAttrs('std', x, dim, options)),
  saves: { inputs: [0], outputs: [0] },
  grad: (ctx, dout): Grads => {
    const x = ctx.input(0);
    const y = ctx.output(0);
    const count = reducedCount(x.shape, ctx.attrs) - (ctx.attrs.correction as number);
    const dvar = where(eq(y, 0), 0, div(dout, mul(y, 2)));
    return [varianceGrad(x, unreduced(dvar, x.shape, ctx.attrs), ctx.attrs.dims as number[], count)];
  },
  onnx: (graph, call) => graph.node('Sqrt', [onnxVariance(graph, call)]),
});

/** The softmax over several dimensions at once. */
function softmaxOver(x: Tensor, dims: readonly number[]): Tensor {
  if (dims.length === 1) return softmax(x, dims[0]);
  if (dims.length === x.rank) return reshape(softmax(reshape(x, [-1]), 0), x.shape);
  const order = [...x.shape.keys()].sort((a, b) => Number(dims.includes(a)) - Number(dims.includes(b)));
  const ordered = permute(x, order);
  const flat = reshape(ordered, [...ordered.shape.slice(0, x.rank - dims.length), -1]);
  const back = order.map((_, d) => order.indexOf(d));
  return permute(reshape(softmax(flat), ordered.shape), back);
}

/**
 * The logarithm of the sum of exp(x) over `dim` (default all), which no large x makes overflow; -inf where there are no
 * elements. Floats only, else ERR_DTYPE. As torch.logsumexp.
 */
export const logsumexp = defineOp('logsumexp', {
  call: reduction('logsumexp'),
  saves: { inputs: [0] },
  grad: (ctx, dout): Grads => {
    const x = ctx.input(0);
    return [mul(unreduced(dout, x.shape, ctx.attrs), softmaxOver(x, ctx.attrs.dims as number[]))];
  },
  onnx: onnxReduce('ReduceLogSumExp'),
});

const smallNorm = defineOp('norm', {
  call:
    (run) =>
    (x: Tensor, p: number, dims: number[], keepdim: boolean): Tensor =>
      run([x], { dims, keepdim, p }),
  saves: { inputs: [0], outputs: [0] },
  grad: (ctx, dout): Grads => {
    const x = ctx.input(0);
    const { p } = ctx.attrs;
    const given = unreduced(dout, x.shape, ctx.attrs);
    if (p === 0) return [full(x.shape, 0, like(x))];
    if (p === 1) return [mul(sign(x), given)];
    const y = unreduced(ctx.output(0), x.shape, ctx.attrs);
    return [mul(x, where(eq(y, 0), 0, div(given, y)))];
  },
  onnx: (graph, call) => {
    if (call.attrs.p !== 0) return onnxReduce(call.attrs.p === 1 ? 'ReduceL1' : 'ReduceL2')(graph, call);
    const nonzero = graph.node('Abs', [graph.node('Sign', call.inputs)]);
    return onnxReduce('ReduceSum')(graph, { ...call, inputs: [nonzero] });
  },
});

// Another power than 0, 1 and 2.
const powerNorm = defineOp('power_norm', {
  call:
    (run) =>
    (x: Tensor, p: number, dims: number[], keepdim: boolean): Tensor =>
      run([x], { dims, keepdim, p }),
  compute: ([x], { dims, keepdim, p }) => {
    const powers = pow(abs(widened(x as Tensor)), p as number);
    return cast(pow(sum(powers, dims as number[], keepdim as boolean), 1 / (p as number)), (x as Tensor).dtype);
  },
  saves: { inputs: [0], outputs: [0] },
  // sign(x) (|x| / y)^(p - 1), in which no power leaves the range.
  grad: (ctx, dout): Grads => {
    const x = widened(ctx.input(0));
    const p = ctx.attrs.p as number;
    const y = unreduced(widened(ctx.output(0)), x.shape, ctx.attrs);
    const size = abs(x);
    const none = p < 1 ? logicalOr(eq(x, 0), eq(y, 0)) : eq(y, 0);
    const share = pow(where(none, 1, div(size, where(eq(y, 0), 1, y))), p - 1);
    const each = mul(mul(sign(x), share), unreduced(widened(dout), x.shape, ctx.attrs));
    return [cast(where(none, 0, each), dout.dtype)];
  },
  onnx: (graph, call) => {
    const number = (value: number): string => graph.constant([value], call.inputMeta[0]?.dtype, []);
    const powers = graph.node('Pow', [graph.node('Abs', call.inputs), number(call.attrs.p as number)]);
    const total = onnxReduce('ReduceSum')(graph, { ...call, inputs: [powers] });
    return graph.node('Pow', [total, number(1 / (call.attrs.p as number))]);
  },
});

/**
 * The p-norm over `dim` (default all): the p-th root of the sum of |x|^p; Infinity and -Infinity give the largest and the
 * smallest |x|, 0 the count of what is not 0. Its gradient is 0 where the norm is 0, and below p = 1 where x is. Floats
 * only, else ERR_DTYPE.
 * As torch.linalg.vector_norm.
 */
export function norm(x: Tensor, p = 2, dim?: Dims, keepdim = false): Tensor {
  const dims = reducedDims('norm', x, dim);
  if (p === 0 || p === 1 || p === 2) return smallNorm(x, p, dims, keepdim);
  if (p === Infinity) return amax(abs(x), dims, keepdim);
  if (p === -Infinity) return amin(abs(x), dims, keepdim);
  return powerNorm(x, p, dims, keepdim);
}

export { variance as var };

declare module '../tensor.ts' {
  interface Tensor<S extends Shape> {
    /** {@link variance}. */
    var(dim?: Dims, options?: VarOptions): Tensor;
    /** {@link std}. */
    std(dim?: Dims, options?: VarOptions): Tensor;
    /** {@link logsumexp}. */
    logsumexp(dim?: Dims, keepdim?: boolean): Tensor;
    /** {@link norm}. */
    norm(p?: number, dim?: Dims, keepdim?: boolean): Tensor;
  }
}

const { prototype } = Tensor;
prototype.var = function (dim, options) {
  return variance(this, dim, options);
};
prototype.std = function (dim, options) {
  return std(this, dim, options);
};
prototype.logsumexp = function (dim, keepdim) {
  return logsumexp(this, dim, keepdim);
};
prototype.norm = function (p, dim, keepdim) {
  return norm(this, p, dim, keepdim);
};
