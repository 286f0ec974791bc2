// Matrix product: a (..., m, k) times b (..., k, n), plus a bias (n).
import { TilegradError } from '../error.ts';
import { defineOp, type Grads } from '../op.ts';
import { Tensor } from '../tensor.ts';
import { sum } from './reduce.ts';
import { reshape, transpose } from './views.ts';

const product = defineOp('matmul', {
  call:
    (run) =>
    (a: Tensor, b: Tensor, bias: Tensor | null = null): Tensor =>
      run(bias ? [a, b, bias] : [a, b]),
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
  const count = dout.shape.slice(0, -1).reduce((n, size) => n * size, 1);
  const rows = (x: Tensor): Tensor => (x.rank === 2 ? x : reshape(x, [count, x.shape.at(-1) as number]));
  // A linear layer's b is its weight seen transposed: computed the other way round, the weight's gradient lies as it does.
  if (b.stride()[0] === 1) return transpose(product(transpose(rows(dout)), rows(a)));
  return product(transpose(rows(a)), rows(dout));
}

/**
 * The matrix product. a [..., m, k] and b [..., k, n] give [..., m, n]; leading dimensions broadcast. A vector a [k]
 * counts as one row and a vector b [k] as one column, and that dimension is dropped from the result. Transposed and
 * expanded views are read as they lie. Floating-point dtypes; f16 and bf16 are summed in f32.
 * Throws ERR_SHAPE where the inner sizes differ, ERR_DTYPE for other or unequal dtypes. As torch.matmul.
 */
export function matmul(a: Tensor, b: Tensor): Tensor {
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

/**
 * x weight^T + bias: x [..., in], weight [out, in], bias [out] (default none) give [..., out].
 * Throws as {@link matmul}. As torch.nn.functional.linear.
 */
export function linear(x: Tensor, weight: Tensor, bias: Tensor | null = null): Tensor {
  if (weight.rank !== 2)
    throw new TilegradError(
      'ERR_SHAPE',
      `linear: weight must have 2 dimensions but has shape [${weight.shape.join(', ')}]`,
    );
  if (x.rank > 1) return product(x, transpose(weight), bias);
  return reshape(product(reshape(x, [1, -1]), transpose(weight), bias), [-1]);
}

declare module '../tensor.ts' {
  interface Tensor {
    /** {@link matmul}. */
    matmul(other: Tensor): Tensor;
  }
}
Tensor.prototype.matmul = function (other) {
  return matmul(this, other);
};
