// The common bound of all gradients, in one call; nn.utils.clipGradNorm_ collects them.
import { defineOp } from '../op.ts';
import type { Tensor } from '../tensor.ts';

/**
 * Scales `grads`, of one dtype, in place by min(maxNorm / (norm + 1e-6), 1), where norm is the 2-norm of all of them as one
 * vector; returns that norm, a scalar.
 */
export const clipToNorm = defineOp('clip_grad_norm', {
  call: (run) => (grads: readonly Tensor[], maxNorm: number) => {
    const [norm, kept] = run.all(grads, { max_norm: maxNorm }) as [Tensor, Tensor];
    kept.dispose();
    return norm;
  },
  grad: 'none',
  onnx: 'none',
});
