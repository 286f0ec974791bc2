// Bounds on gradients, between backward() and the optimiser's step. Nothing waits for the device.
import { checkOptions, TilegradError } from '../error.ts';
import { noGrad } from '../graph.ts';
import { clipToNorm } from '../ops/clip_grad_norm.ts';
import { add, assign, clamp, div, minimum, mul, norm, stack } from '../ops/index.ts';
import { tidy } from '../scope.ts';
import { Tensor, tensor } from '../tensor.ts';

/** Options of `clipGradNorm_`. */
export interface ClipGradNormOptions {
  /** The norm: 2 by default, `Infinity` for the largest magnitude. */
  readonly normType?: number | undefined;
}

function gradsOf(user: string, parameters: Tensor | Iterable<Tensor>): Tensor[] {
  const list = parameters instanceof Tensor ? [parameters] : [...parameters];
  return list.flatMap((parameter) => {
    if (!(parameter instanceof Tensor)) throw new TilegradError('ERR_ARGUMENT', `${user}: expected tensors`);
    return parameter.grad ? [parameter.grad] : [];
  });
}

// What an op takes, and one kernel for all.
const most = 4096;
const areAlike = (grads: readonly Tensor[]): boolean =>
  grads.length <= most &&
  new Set(grads).size === grads.length &&
  grads.every(({ dtype, device }) => dtype === grads[0]?.dtype && device === grads[0]?.device);

/**
 * Scales the gradients of the parameters, all by one factor, so that their norm as one vector is at most `maxNorm`. Returns
 * the norm before, a scalar. As torch.nn.utils.clip_grad_norm_.
 */
export function clipGradNorm_(
  parameters: Tensor | Iterable<Tensor>,
  maxNorm: number,
  options: ClipGradNormOptions = {},
): Tensor {
  checkOptions('clipGradNorm_', options, ['normType']);
  const { normType = 2 } = options;
  if (!(normType > 0))
    throw new TilegradError('ERR_ARGUMENT', `clipGradNorm_: normType must be above 0 but is ${normType}`);
  const grads = gradsOf('clipGradNorm_', parameters);
  if (grads.length === 0) return tensor(0);
  if (normType === 2 && areAlike(grads)) return noGrad(() => clipToNorm(grads, maxNorm));
  return noGrad(() =>
    tidy(() => {
      const norms = grads.map((grad) => norm(grad, normType));
      const total = norm(stack(norms), normType);
      const factor = minimum(div(maxNorm, add(total, 1e-6)), 1);
      for (const grad of grads) assign(grad, mul(grad, factor));
      return total;
    }),
  );
}

/** Limits every element of the gradients to [-limit, limit]. As torch.nn.utils.clip_grad_value_. */
export function clipGradValue_(parameters: Tensor | Iterable<Tensor>, limit: number): void {
  noGrad(() =>
    tidy(() => {
      for (const grad of gradsOf('clipGradValue_', parameters)) assign(grad, clamp(grad, -limit, limit));
    }),
  );
}
