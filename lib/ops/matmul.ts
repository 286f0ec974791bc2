// Matrix product: a (..., m, k) times b (..., k, n), plus a bias (n).
import { TilegradError } from '../error.ts';
import { defineOp, type Grads } from '../op.ts';
import { precisionAttribute } from '../precision.ts';
import { type Shape, Tensor } from '../tensor.ts';
import type { LinearFault, MatmulFault, MatmulShape, Rows, WithLast } from '../typed_shapes.ts';
import { sum } from './reduce.ts';
import { reshape, transpose } from './views.ts';

const product = defineOp('matmul', {
  call:
    (run) =>
    (a: Tensor, b: Tensor, bias: Tensor | null = null): Tensor =>
      run(bias ? [a, b, bias] : [a, b], precisionAttribute()),
  saves: { inputs: [0, 1] },
  grad: (ctx, dout): Grads => {
    const da = ctx.needs(0) ? product(dout, transpose(ctx.input(1))) : null;
    const db = ctx.needs(1) ? weightGrad(ctx.input(0), dout, ctx.input(1)) : null;
    if (ctx.inputCount === 2) return [da, db];
    const lead = ctx.outputMeta(0).shape.map((_, i) => i);
    return [da, db, ctx.needs(2) ? sum(dout, lead.slice(0, -1)) : null];
  },
  onnx: (graph, { inputs }) => {
    const y = graph.node('MatMul', inputs.slice(0, 2));
    return inputs.length === 3 ? graph.node('Add', [y, inputs[2] as string]) : y;
  },
});

/** a^T dout. Where one matrix b served a whole batch, the batch becomes rows instead of being summed afterwards. */
function weightGrad(a: Tensor, dout: Tensor, b: Tensor): Tensor {
  if (b.rank > 2) return product(transpose(a), dout);
  // Of a b that is a weight seen transposed, computed the other way round, the gradient lies as the weight does.
  if (b.stride()[0] === 1) return transpose(product(transpose(asRows(dout)), asRows(a)));
  return product(transpose(asRows(a)), asRows(dout));
}

/**
 * The matrix product. a [..., m, k] and b [..., k, n] give [..., m, n]; leading dimensions broadcast. A vector a [k]
 * counts as one row and a vector b [k] as one column, and that dimension is dropped from the result. Transposed and
 * expanded views are read as they lie. Floating-point dtypes; f16 and bf16 are summed in f32.
 * Throws ERR_SHAPE where the inner sizes differ, ERR_DTYPE for other or unequal dtypes. As torch.matmul.
 */
export function matmul<A extends Shape, B extends Shape>(
  a: Tensor<A>,
  b: Tensor<B> & MatmulFault<A, B>,
): Tensor<MatmulShape<A, B>> {
  if (a.rank === 0 || b.rank === 0)
    throw new TilegradError(
      'ERR_SHAPE',
      `matmul: a and b must have at least 1 dimension (a [${a.shape.join(', ')}], b [${b.shape.join(', ')}])`,
    );
  if (a.rank > 1 && b.rank > 1) return product(a, b);
  const y = product(a.rank > 1 ? a : reshape(a, [1, -1]), b.rank > 1 ? b : reshape(b, [-1, 1]));
  const dims = [...y.shape];
  if (b.rank === 1) dims.pop();
  if (a.rank === 1) dims.splice(b.rank === 1 ? dims.length - 1 : dims.length - 2, 1);
  return reshape(y, dims);
}

const affine = defineOp('linear', {
  call:
    (run) =>
    (x: Tensor, weight: Tensor, bias: Tensor | null): Tensor =>
      run(bias ? [x, weight, bias] : [x, weight], precisionAttribute()),
  saves: { inputs: [0, 1] },
  grad: (ctx, dout): Grads => {
    const dx = ctx.needs(0) ? product(dout, ctx.input(1)) : null;
    const dw = ctx.needs(1) ? product(transpose(asRows(dout)), asRows(ctx.input(0))) : null;
    return ctx.inputCount === 2 ? [dx, dw] : [dx, dw, ctx.needs(2) ? sum(asRows(dout), 0) : null];
  },
  onnx: (graph, { inputs, inputMeta }) => {
    if (inputMeta[0]?.shape.length === 2) return graph.node('Gemm', inputs, { transB: 1 });
    const y = graph.node('MatMul', [inputs[0] as string, graph.node('Transpose', [inputs[1] as string])]);
    return inputs.length === 3 ? graph.node('Add', [y, inputs[2] as string]) : y;
  },
});

/** All leading dimensions as one. */
function asRows(x: Tensor): Tensor {
  return x.rank === 2
    ? x
    : reshape(x, [x.shape.slice(0, -1).reduce((n, size) => n * size, 1), x.shape.at(-1) as number]);
}

/**
 * x weight^T + bias: x [..., in], weight [out, in], bias [out] (default none) give [..., out].
 * Throws ERR_SHAPE where the sizes do not fit, ERR_DTYPE as {@link matmul}. As torch.nn.functional.linear.
 */
export function linear<X extends Shape, W extends Shape>(
  x: Tensor<X>,
  weight: Tensor<W> & LinearFault<X, W>,
  bias: Tensor | null = null,
): Tensor<WithLast<X, Rows<W>>> {
  if (x.rank !== 1) return affine(x, weight, bias);
  const y: Tensor = reshape(affine(reshape(x, [1, -1]), weight, bias), [-1]);
  return y;
}

declare module '../tensor.ts' {
  interface Tensor<S extends Shape> {
    /** {@link matmul}. */
    matmul<A extends Shape, B extends Shape>(
      this: Tensor<A>,
      other: Tensor<B> & MatmulFault<A, B>,
    ): Tensor<MatmulShape<A, B>>;
  }
}
Tensor.prototype.matmul = function (other) {
  return matmul(this, other);
};
