// Class indices as rows of zeros and a one.
import { checkOptions } from '../error.ts';
import type { DType } from '../dtype.ts';
import { defineOp } from '../op.ts';
import type { Tensor } from '../tensor.ts';

/**
 * For each class in `x`, i64 or i32 of shape (...), a row of `classes` numbers with 1 at its place and 0 elsewhere:
 * (..., classes), i64 by default. Throws ERR_DTYPE for other inputs, ERR_ARGUMENT for fewer than one class; a class out
 * of range is reported as ERR_ARGUMENT at the next await. As torch.nn.functional.one_hot.
 */
export const oneHot = defineOp('one_hot', {
  call:
    (run) =>
    (x: Tensor, classes: number, options: { dtype?: DType | undefined } = {}): Tensor => {
      checkOptions('oneHot', options, ['dtype']);
      return run([x], { classes, dtype: options.dtype ?? 'i64' });
    },
  grad: 'none',
  onnx: (graph, { inputs, outputMeta, attrs }) =>
    graph.node('OneHot', [
      inputs[0] as string,
      graph.constant([attrs.classes as number], 'i64', []),
      graph.constant([0, 1], outputMeta[0]?.dtype ?? 'i64'),
    ]),
});
