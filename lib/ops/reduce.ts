// Reductions over dimensions: sums, means, products, any and all.
import { defineOp, type Grads, type OnnxCall, type OnnxGraph } from '../op.ts';
import { type Shape, Tensor } from '../tensor.ts';
import { cast } from './cast.ts';
import { eq, where } from './comparisons.ts';
import { div, mul } from './elementwise.ts';
import { onnxReduce, reducedCount, reduction, type Dims, unreduced, widened } from './reduced.ts';
import { expand, reshape } from './views.ts';

export type { Dims } from './reduced.ts';

/**
 * The sum over `dim` (one, several, or all by default); `keepdim` leaves them with size 1. Floats keep their dtype,
 * integers and bools give i64. As torch.sum.
 */
export const sum = defineOp('sum', {
  call: reduction('sum'),
  grad: (ctx, dout): Grads => {
    const { shape } = ctx.inputMeta(0);
    return [expand(unreduced(dout, shape, ctx.attrs), shape)];
  },
  onnx: onnxReduce('ReduceSum'),
});

/**
 * The mean over `dim` (default all) of floats; NaN where there are no elements. Throws ERR_DTYPE for integers.
 * As torch.mean.
 */
export const mean = defineOp('mean', {
  call: reduction('mean'),
  grad: (ctx, dout): Grads => {
    const { shape } = ctx.inputMeta(0);
    return [expand(unreduced(mul(dout, 1 / Math.max(reducedCount(shape, ctx.attrs), 1)), shape, ctx.attrs), shape)];
  },
  onnx: onnxReduce('ReduceMean'),
});

/**
 * The product over `dim` (default all); 1 where there are no elements. Floats keep their dtype, integers and bools give
 * i64. As torch.prod.
 */
export const prod = defineOp('prod', {
  call: reduction('prod'),
  saves: { inputs: [0] },
  // The product of the others, which is not y / x where x is 0.
  grad: (ctx, dout): Grads => {
    const x = widened(ctx.input(0));
    const dims = ctx.attrs.dims as number[];
    const zero = eq(x, 0);
    const factors = where(zero, 1, x);
    const product = prod(factors, dims, true);
    const zeros = sum(zero, dims, true);
    const alone = mul(cast(zero, x.dtype), product);
    const others = where(eq(zeros, 0), div(product, factors), where(eq(zeros, 1), alone, 0));
    return [cast(mul(unreduced(widened(dout), x.shape, ctx.attrs), others), dout.dtype)];
  },
  onnx: onnxReduce('ReduceProd'),
});

const onnxLogical =
  (type: string) =>
  (graph: OnnxGraph, call: OnnxCall): string => {
    const asBool = graph.node('Cast', call.inputs.slice(0, 1), { to: 9 });
    const numbers = graph.node('Cast', [asBool], { to: 6 });
    return graph.node('Cast', [onnxReduce(type)(graph, { ...call, inputs: [numbers] })], { to: 9 });
  };

/** Whether any element over `dim` (default all) is not zero, as bool; NaN is not zero. As torch.any. */
export const any = defineOp('any', { call: reduction('any'), grad: 'none', onnx: onnxLogical('ReduceMax') });

/** Whether all elements over `dim` (default all) are not zero, as bool; true where there are none. As torch.all. */
export const all = defineOp('all', { call: reduction('all'), grad: 'none', onnx: onnxLogical('ReduceMin') });

/** Sums a broadcast result back to `shape`: the gradient of broadcasting. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  const lead = x.rank - shape.length;
  const dims = x.shape.flatMap((size, i) => (i < lead || (shape[i - lead] === 1 && size !== 1) ? [i] : []));
  const summed = dims.length > 0 ? sum(x, dims, true) : x;
  return reshape(summed, shape);
}

declare module '../tensor.ts' {
  interface Tensor<S extends Shape> {
    /** {@link sum}. */
    sum(dim?: Dims, keepdim?: boolean): Tensor;
    /** {@link mean}. */
    mean(dim?: Dims, keepdim?: boolean): Tensor;
    /** {@link prod}. */
    prod(dim?: Dims, keepdim?: boolean): Tensor;
    /** {@link any}. */
    any(dim?: Dims, keepdim?: boolean): Tensor;
    /** {@link all}. */
    all(dim?: Dims, keepdim?: boolean): Tensor;
  }
}

const { prototype } = Tensor;
prototype.sum = function (dim, keepdim) {
  return sum(this, dim, keepdim);
};
prototype.mean = function (dim, keepdim) {
  return mean(this, dim, keepdim);
};
prototype.prod = function (dim, keepdim) {
  return prod(this, dim, keepdim);
};
prototype.any = function (dim, keepdim) {
  return any(this, dim, keepdim);
};
prototype.all = function (dim, keepdim) {
  return all(this, dim, keepdim);
};
