// Pruning masks: bool tensors, true for the elements that stay.
import { checkOptions } from '../error.ts';
import { defineOp } from '../op.ts';
import type { Tensor } from '../tensor.ts';

/**
 * The mask that drops the `count` smallest magnitudes of `x` (any float dtype; of equal ones the earlier), in the shape of `x`.
 * With `mask` (bool), what it dropped stays dropped, and `count` is of the others. The threshold is selected in linear time, nothing is
 * sorted. Throws ERR_ARGUMENT for a count beyond the elements, ERR_SHAPE, ERR_DTYPE. The mask of
 * torch.nn.utils.prune.l1_unstructured.
 */
export const magnitudeMask = defineOp('magnitude_mask', {
  call:
    (run) =>
    (x: Tensor, count: number, mask: Tensor | null = null): Tensor =>
      run(mask ? [x, mask] : [x], { count }),
  grad: 'none',
  onnx: 'none',
});

/**
 * The mask that keeps, of every `m` neighbours along `dim` (default: the last), the `n` largest magnitudes; of equal ones the earlier.
 * 2:4 is what sparse tensor cores take. Throws ERR_SHAPE where the dimension is no multiple of m, ERR_ARGUMENT, ERR_DTYPE.
 */
export const nmMask = defineOp('nm_mask', {
  call:
    (run) =>
    (x: Tensor, n: number, m: number, options: { dim?: number | undefined } = {}): Tensor => {
      checkOptions('nmMask', options, ['dim']);
      return run([x], { n, m, dim: options.dim ?? -1 });
    },
  grad: 'none',
  onnx: 'none',
});
