// Stochastic gradient descent.
import { TilegradError } from '../error.ts';
import { sgdUpdate } from '../ops/index.ts';
import { Optimizer, type ParamGroup, type Params, type UpdateBatch } from './optimizer.ts';

/** Options of `SGD`. */
export interface SGDOptions {
  /** Step size. Default: 0.001. */
  readonly lr?: number | undefined;
  /** Share of the last step's direction that is kept. Default: 0. */
  readonly momentum?: number | undefined;
  /** Share of the gradient that does not enter the momentum. Default: 0. */
  readonly dampening?: number | undefined;
  /** Adds this multiple of the parameter to its gradient. Default: 0. */
  readonly weightDecay?: number | undefined;
  /** Nesterov's momentum, which looks one step ahead; needs momentum and no dampening. Default: false. */
  readonly nesterov?: boolean | undefined;
  /** Goes uphill instead. Default: false. */
  readonly maximize?: boolean | undefined;
}

const defaults = { lr: 1e-3, momentum: 0, dampening: 0, weightDecay: 0, nesterov: false, maximize: false };

/**
 * Stochastic gradient descent with momentum: the buffer becomes momentum * buffer + (1 - dampening) * gradient (the gradient
 * itself in the first step), and lr times the buffer is subtracted. As torch.optim.SGD.
 */
export class SGD extends Optimizer<SGDOptions> {
  constructor(params: Params<SGDOptions>, options: SGDOptions = {}) {
    super(params, options, defaults);
  }

  protected override check(group: ParamGroup<SGDOptions>): void {
    super.check(group);
    this.require(group, 'momentum', 0);
    this.require(group, 'weightDecay', 0);
    if (group.nesterov && (group.momentum === 0 || group.dampening !== 0))
      throw new TilegradError('ERR_ARGUMENT', 'SGD: nesterov needs a momentum above 0 and dampening 0');
  }

  protected override readonly countsSteps = false;

  protected override states({ momentum }: ParamGroup<SGDOptions>): Record<string, number> {
    return momentum === 0 ? {} : { momentumBuffer: 0 };
  }

  protected override update(group: ParamGroup<SGDOptions>, batch: UpdateBatch): void {
    const { lr, momentum, dampening, weightDecay, nesterov, maximize } = group;
    const { masks, isNew: first } = batch;
    const options = { lr, momentum, dampening, weightDecay, nesterov, maximize, masks, first };
    sgdUpdate(batch.params, batch.grads, batch.states.momentumBuffer ?? null, options);
  }
}
