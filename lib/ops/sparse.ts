// Matrices with many zeros, as compressed rows, and what is multiplied by them.
import { TilegradError } from '../error.ts';
import { noGrad } from '../graph.ts';
import { defineOp } from '../op.ts';
import { tidy } from '../scope.ts';
import type { Tensor } from '../tensor.ts';
import { cast } from './cast.ts';
import { ne } from './comparisons.ts';
import { sum } from './reduce.ts';

/** A matrix [n, k] without its zeros: of row i, `values` and `colIndices` hold [crowIndices[i], crowIndices[i + 1]). */
export interface SparseCsr {
  /** i32 [n + 1]. */
  crowIndices: Tensor;
  /** i32, one for each value, ascending in each row. */
  colIndices: Tensor;
  /** f32 or f64. */
  values: Tensor;
}

/**
 * The compressed rows of a matrix [n, k], f32 or f64. Waits until the number of its elements that are not 0 is known;
 * of a matrix of zeros one zero is kept. No gradient flows. Throws ERR_SHAPE, ERR_DTYPE. As torch.Tensor.to_sparse_csr.
 */
export const toSparseCsr = defineOp('to_csr', {
  call:
    (run) =>
    (x: Tensor): SparseCsr => {
      const count = noGrad(() => tidy(() => Number(sum(cast(ne(x, 0), 'i64')).itemSync())));
      const [crowIndices, colIndices, values] = run.all([x], { count }) as [Tensor, Tensor, Tensor];
      return { crowIndices, colIndices, values };
    },
  grad: 'none',
  onnx: 'none',
});

/**
 * x W^T + bias for x [..., k] and a sparse W [n, k]; gives [..., n]. From about 80 % zeros on it is faster than the
 * dense product. For inference: no gradient flows. Throws ERR_SHAPE, ERR_DTYPE; rows or columns that do not fit are
 * reported as ERR_ARGUMENT at the next await. As torch.nn.functional.linear with a weight in sparse CSR.
 */
export const sparseLinear = defineOp('csr_linear', {
  call:
    (run) =>
    (x: Tensor, weight: SparseCsr, bias: Tensor | null = null): Tensor => {
      const { crowIndices, colIndices, values } = weight ?? {};
      if (!crowIndices || !colIndices || !values)
        throw new TilegradError(
          'ERR_ARGUMENT',
          'csr_linear: the weight must have crowIndices, colIndices and values, as toSparseCsr gives them',
        );
      return run(bias ? [x, crowIndices, colIndices, values, bias] : [x, crowIndices, colIndices, values]);
    },
  grad: 'none',
  onnx: 'none',
});
