// Triangles of matrices.
import { defineOp, type Grads } from '../op.ts';
import { Tensor } from '../tensor.ts';

/**
 * Matrices (..., m, n) with zeros above the diagonal that is `diagonal` to the right of the main one. Any dtype.
 * Throws ERR_SHAPE for fewer than 2 dimensions. As torch.tril.
 */
export const tril = defineOp('tril', {
  call:
    (run) =>
    (x: Tensor, diagonal = 0): Tensor =>
      run([x], { diagonal }),
  grad: (ctx, dout): Grads => [tril(dout, ctx.attrs.diagonal as number)],
  onnx: (graph, { inputs, attrs }) =>
    graph.node('Trilu', [inputs[0] as string, graph.constant([attrs.diagonal as number], 'i64', [])], { upper: 0 }),
});

/**
 * Matrices (..., m, n) with zeros below the diagonal that is `diagonal` to the right of the main one. Any dtype.
 * Throws ERR_SHAPE for fewer than 2 dimensions. As torch.triu.
 */
export const triu = defineOp('triu', {
  call:
    (run) =>
    (x: Tensor, diagonal = 0): Tensor =>
      run([x], { diagonal }),
  grad: (ctx, dout): Grads => [triu(dout, ctx.attrs.diagonal as number)],
  onnx: (graph, { inputs, attrs }) =>
    graph.node('Trilu', [inputs[0] as string, graph.constant([attrs.diagonal as number], 'i64', [])], { upper: 1 }),
});

declare module '../tensor.ts' {
  interface Tensor<S extends Shape> {
    /** {@link tril}. */
    tril(diagonal?: number): Tensor<S>;
    /** {@link triu}. */
    triu(diagonal?: number): Tensor<S>;
  }
}

Tensor.prototype.tril = function (diagonal) {
  return tril(this, diagonal);
};
Tensor.prototype.triu = function (diagonal) {
  return triu(this, diagonal);
};
