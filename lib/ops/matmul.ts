// Matrix products.
import { TilegradError } from '../error.ts';
import { defineOp, type Grads } from '../op.ts';
import { Tensor } from '../tensor.ts';
import { reshape, transpose } from './views.ts';

const matrixProduct = defineOp('matmul', {
  call: (run) => (a: Tensor, b: Tensor) => run([a, b]),
  saves: { inputs: 'all' },
  // Batch dimensions that were broadcast are summed back by the caller.
  grad: (ctx, dout): Grads => [
    ctx.needs(0) ? matrixProduct(dout, transpose(ctx.input(1))) : null,
    ctx.needs(1) ? matrixProduct(transpose(ctx.input(0)), dout) : null,
  ],
  onnx: 'MatMul',
});

/**
 * The matrix product of (..., M, K) and (..., K, N), with broadcast batch dimensions; a vector counts as a row on the
 * left and as a column on the right, and its dimension is dropped from the result. f32 and f64. As torch.matmul.
 */
export function matmul(a: Tensor, b: Tensor): Tensor {
  if (a.rank === 0 || b.rank === 0)
    throw new TilegradError('ERR_SHAPE', 'matmul: both inputs need at least one dimension');
  const left = a.rank === 1 ? reshape(a, [1, ...a.shape]) : a;
  const right = b.rank === 1 ? reshape(b, [...b.shape, 1]) : b;
  const product = matrixProduct(left, right);
  if (a.rank > 1 && b.rank > 1) return product;
  const { shape } = product;
  const rows = a.rank === 1 ? [] : shape.slice(-2, -1);
  const columns = b.rank === 1 ? [] : shape.slice(-1);
  return reshape(product, [...shape.slice(0, -2), ...rows, ...columns]);
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
