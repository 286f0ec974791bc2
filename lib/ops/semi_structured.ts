// 2:4 (semi-structured) weights: two of each 4 neighbours along a row are kept, with the places where they stood.
import { TilegradError } from '../error.ts';
import { defineOp, type Grads } from '../op.ts';
import type { Tensor } from '../tensor.ts';
import { expectTensor } from './arguments.ts';
import { matmul } from './matmul.ts';
import { sum } from './reduce.ts';
import { reshape, transpose } from './views.ts';

/** A compressed 2:4 matrix of n rows and k columns. */
export type SemiStructured = [values: Tensor, indices: Tensor];

const compressed = defineOp('semi_structured_compress', {
  call:
    (run) =>
    (weight: Tensor): SemiStructured =>
      run.all([weight]) as SemiStructured,
  saves: { outputs: [1] },
  differentiable: [0],
  grad: (ctx, dvalues): Grads => [semiStructuredDense(dvalues, ctx.output(1))],
  onnx: 'none',
});

/**
 * Compresses `weight` [n, k], k a multiple of 8, to its 2:4 form: of each 4 neighbours along a row the two of largest
 * magnitude (of equal ones the earlier), as values [n, k / 2] and indices [n, k / 8] u8 with two bits for each value, the
 * first lowest. Floating-point dtypes; throws ERR_SHAPE and ERR_DTYPE. As torch.sparse.to_sparse_semi_structured, which
 * takes weights that are pruned already.
 */
export function semiStructuredCompress(weight: Tensor): SemiStructured {
  return compressed(weight);
}

const picked = defineOp('semi_structured_pick', {
  call: (run) => (weight: Tensor, indices: Tensor) => run([weight, indices]),
  saves: { inputs: [1] },
  grad: (ctx, dvalues): Grads => [ctx.needs(0) ? semiStructuredDense(dvalues, ctx.input(1)) : null, null],
  onnx: 'none',
});

/**
 * The matrix [n, k] that `values` [n, k / 2] and `indices` [n, k / 8] stand for, with zeros where nothing was kept.
 * Throws ERR_SHAPE and ERR_DTYPE. As the to_dense of torch.sparse.SparseSemiStructuredTensor.
 */
export const semiStructuredDense = defineOp('semi_structured_dense', {
  call:
    (run) =>
    (values: Tensor, indices: Tensor): Tensor =>
      run([values, indices]),
  saves: { inputs: [1] },
  grad: (ctx, dweight): Grads => [ctx.needs(0) ? picked(dweight, ctx.input(1)) : null, null],
  onnx: 'none',
});

/** All leading dimensions as one. */
const asRows = (x: Tensor): Tensor =>
  reshape(x, [x.shape.slice(0, -1).reduce((n, size) => n * size, 1), x.shape.at(-1) as number]);

const affine = defineOp('semi_structured_linear', {
  call: (run) => (x: Tensor, values: Tensor, indices: Tensor, bias: Tensor | null) =>
    run(bias ? [x, values, indices, bias] : [x, values, indices]),
  saves: { inputs: [0, 1, 2] },
  grad: (ctx, dout): Grads => {
    const rows = asRows(dout);
    const dx = ctx.needs(0) ? matmul(dout, semiStructuredDense(ctx.input(1), ctx.input(2))) : null;
    const dvalues = ctx.needs(1) ? picked(matmul(transpose(rows), asRows(ctx.input(0))), ctx.input(2)) : null;
    return ctx.inputCount === 3 ? [dx, dvalues, null] : [dx, dvalues, null, ctx.needs(3) ? sum(rows, 0) : null];
  },
  onnx: 'none',
});

/**
 * x weight^T + bias with a weight in 2:4 form: x [..., k], values [n, k / 2] and indices [n, k / 8] as
 * {@link semiStructuredCompress} gives them, bias [n] (default none) give [..., n]. On CUDA from compute capability 8.0 on,
 * f16 and bf16 use the sparse tensor cores; elsewhere the weight is unpacked first. f16 and bf16 are summed in f32.
 * Throws ERR_SHAPE, ERR_DTYPE. As torch.nn.functional.linear with a SparseSemiStructuredTensor.
 */
export function semiStructuredLinear(x: Tensor, values: Tensor, indices: Tensor, bias: Tensor | null = null): Tensor {
  expectTensor('semi_structured_linear', 'input', x);
  if (x.rank === 0)
    throw new TilegradError('ERR_SHAPE', 'semi_structured_linear: input must have at least 1 dimension');
  if (x.rank !== 1) return affine(x, values, indices, bias);
  return reshape(affine(reshape(x, [1, -1]), values, indices, bias), [-1]);
}
