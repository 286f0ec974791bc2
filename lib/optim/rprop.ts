// Optimisers for few, large batches: Rprop, which looks at signs alone, and averaged gradient descent.
import { TilegradError } from '../error.ts';
import { asgdUpdate, rpropUpdate } from '../ops/index.ts';
import type { Tensor } from '../tensor.ts';
import { Optimizer, type ParamGroup, type Params, type UpdateBatch } from './optimizer.ts';

/** Options of `Rprop`. */
export interface RpropOptions {
  /** The first step size of every element. Default: 0.01. */
  readonly lr?: number | undefined;
  /** Factors of an element's step size when its gradient changes sign, and when it keeps it. Default: [0.5, 1.2]. */
  readonly etas?: readonly [number, number] | undefined;
  /** Bounds of the step sizes. Default: [1e-6, 50]. */
  readonly stepSizes?: readonly [number, number] | undefined;
  /** Goes uphill instead. Default: false. */
  readonly maximize?: boolean | undefined;
}

/** A step size for each element, which grows as long as the gradient keeps its sign. As torch.optim.Rprop. */
export class Rprop extends Optimizer<RpropOptions> {
  constructor(params: Params<RpropOptions>, options: RpropOptions = {}) {
    super(params, options, { lr: 1e-2, etas: [0.5, 1.2], stepSizes: [1e-6, 50], maximize: false });
  }

  protected override readonly countsSteps = false;

  protected override check(group: ParamGroup<RpropOptions>): void {
    super.check(group);
    const [shrink, grow] = group.etas ?? [];
    if (!(Number(shrink) > 0 && Number(shrink) < 1 && Number(grow) > 1))
      throw new TilegradError(
        'ERR_ARGUMENT',
        `Rprop: etas must be a number between 0 and 1 and one above 1 but is ${String(group.etas)}`,
      );
  }

  protected override states({ lr }: ParamGroup<RpropOptions>): Record<string, number> {
    return { prev: 0, stepSize: lr };
  }

  protected override update(group: ParamGroup<RpropOptions>, { params, grads, masks, states }: UpdateBatch): void {
    const { prev, stepSize } = states as Record<'prev' | 'stepSize', Tensor[]>;
    const { etas, stepSizes, maximize } = group;
    rpropUpdate(params, grads, { prev, stepSize }, { etas, stepSizes, maximize, masks });
  }
}

/** Options of `ASGD`. */
export interface ASGDOptions {
  /** First step size. Default: 0.01. */
  readonly lr?: number | undefined;
  /** Decay of the parameters and, with `alpha`, of the step size. Default: 1e-4. */
  readonly lambd?: number | undefined;
  /** Power of the step size's decay. Default: 0.75. */
  readonly alpha?: number | undefined;
  /** The step from which on the average is taken. Default: 1e6. */
  readonly t0?: number | undefined;
  /** Adds this multiple of the parameter to its gradient. Default: 0. */
  readonly weightDecay?: number | undefined;
  /** Goes uphill instead. Default: false. */
  readonly maximize?: boolean | undefined;
}

/**
 * Gradient descent that also averages the parameters (Polyak and Juditsky 1992); the averages are in the state dict as
 * `ax`. As torch.optim.ASGD.
 */
export class ASGD extends Optimizer<ASGDOptions> {
  constructor(params: Params<ASGDOptions>, options: ASGDOptions = {}) {
    super(params, options, { lr: 1e-2, lambd: 1e-4, alpha: 0.75, t0: 1e6, weightDecay: 0, maximize: false });
  }

  protected override check(group: ParamGroup<ASGDOptions>): void {
    super.check(group);
    this.require(group, 'weightDecay', 0);
    this.require(group, 't0', 0);
  }

  protected override states(): Record<string, number> {
    return { ax: 0 };
  }

  protected override update(group: ParamGroup<ASGDOptions>, { params, grads, masks, states, step }: UpdateBatch): void {
    const { lr, lambd, alpha, t0, weightDecay, maximize } = group;
    const options = { lr, lambd, alpha, t0, weightDecay, maximize, masks, step };
    asgdUpdate(params, grads, { ax: states.ax as Tensor[] }, options);
  }
}
