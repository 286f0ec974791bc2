// The one way to change a tensor in place, besides the optimisers.
import { TilegradError } from '../error.ts';
import { isGradEnabled, noGrad } from '../graph.ts';
import { defineOp } from '../op.ts';
import { type Shape, Tensor } from '../tensor.ts';
import { expectTensor } from './arguments.ts';
import { expand } from './views.ts';

/** Whether a shape is another one, and broadcasts to it. */
function widens(from: Shape, to: Shape): boolean {
  const added = to.length - from.length;
  if (added === 0 && from.every((size, i) => size === to[i])) return false;
  return added >= 0 && from.every((size, i) => size === 1 || size === to[added + i]);
}

/**
 * Copies the elements of `source`, which broadcasts, into `target` of the same dtype, and returns `target`. Not recorded:
 * outside of noGrad() it throws ERR_ARGUMENT for a target that requires a gradient. Throws ERR_SHAPE where the source does
 * not broadcast to the target. As torch.Tensor.copy_, without its cast.
 */
export const assign = defineOp('assign', {
  call:
    (run) =>
    (target: Tensor, source: Tensor): Tensor => {
      if (isGradEnabled() && target.requiresGrad)
        throw new TilegradError('ERR_ARGUMENT', 'assign: the target requires a gradient; wrap the call in noGrad()');
      expectTensor('assign', 'target', target);
      expectTensor('assign', 'source', source);
      if (widens(source.shape, target.shape)) {
        const view = noGrad(() => expand(source, target.shape));
        run.all([target, view]);
        view.dispose();
      } else {
        run.all([target, source]);
      }
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
