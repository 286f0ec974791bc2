// The one way to change a tensor in place, besides the optimisers.
import { TilegradError } from '../error.ts';
import { isGradEnabled } from '../graph.ts';
import { defineOp } from '../op.ts';
import { Tensor } from '../tensor.ts';

/**
 * Copies the elements of `source` into `target`, of the same shape and dtype, and returns `target`. Not recorded:
 * outside of noGrad() it throws ERR_ARGUMENT for a target that requires a gradient.
 */
export const assign = defineOp('assign', {
  call:
    (run) =>
    (target: Tensor, source: Tensor): Tensor => {
      if (isGradEnabled() && target.requiresGrad)
        throw new TilegradError('ERR_ARGUMENT', 'assign: the target requires a gradient; wrap the call in noGrad()');
      run.all([target, source]);
      return target;
    },
  writes: () => 1,
  grad: 'none',
  onnx: 'none',
});

declare module '../tensor.ts' {
  interface Tensor<S extends Shape> {
    /** {@link assign} into this tensor. */
    assign(source: Tensor): Tensor<S>;
  }
}

Tensor.prototype.assign = function (source) {
  return assign(this, source);
};
