// Optimisers that divide the gradient by its size: RMSprop, Adagrad, Adadelta.
import { adadeltaUpdate, adagradUpdate, rmspropUpdate } from '../ops/index.ts';
import type { Tensor } from '../tensor.ts';
import { Optimizer, type ParamGroup, type Params, type UpdateBatch } from './optimizer.ts';

interface DividedOptions {
  /** Step size. Default: 0.01; of Adadelta 1. */
  readonly lr?: number | undefined;
  /** Keeps the divisor from 0. Default: 1e-8; of Adagrad 1e-10, of Adadelta 1e-6. */
  readonly eps?: number | undefined;
  /** Adds this multiple of the parameter to its gradient. Default: 0. */
  readonly weightDecay?: number | undefined;
  /** Goes uphill instead. Default: false. */
  readonly maximize?: boolean | undefined;
}

abstract class Divided<O extends DividedOptions> extends Optimizer<O> {
  protected override check(group: ParamGroup<O>): void {
    super.check(group);
    this.require(group, 'eps', 0);
    this.require(group, 'weightDecay', 0);
  }
}

/** Options of `RMSprop`. */
export interface RMSpropOptions extends DividedOptions {
  /** Decay of the average of the gradient's square. Default: 0.99. */
  readonly alpha?: number | undefined;
  /** Share of the last step's direction that is kept. Default: 0. */
  readonly momentum?: number | undefined;
  /** Divides by the standard deviation instead of the root mean square. Default: false. */
  readonly centered?: boolean | undefined;
}

const rmspropDefaults = {
  lr: 1e-2,
  alpha: 0.99,
  eps: 1e-8,
  weightDecay: 0,
  momentum: 0,
  centered: false,
  maximize: false,
};

/** Divides the gradient by the root of its averaged square (Tieleman and Hinton 2012). As torch.optim.RMSprop. */
export class RMSprop extends Divided<RMSpropOptions> {
  constructor(params: Params<RMSpropOptions>, options: RMSpropOptions = {}) {
    super(params, options, rmspropDefaults);
  }

  protected override readonly countsSteps = false;

  protected override check(group: ParamGroup<RMSpropOptions>): void {
    super.check(group);
    this.require(group, 'alpha', 0);
    this.require(group, 'momentum', 0);
  }

  protected override states({ momentum, centered }: ParamGroup<RMSpropOptions>): Record<string, number> {
    return { squareAvg: 0, ...(centered ? { gradAvg: 0 } : {}), ...(momentum === 0 ? {} : { momentumBuffer: 0 }) };
  }

  protected override update(group: ParamGroup<RMSpropOptions>, { params, grads, masks, states }: UpdateBatch): void {
    const { lr, alpha, eps, weightDecay, momentum, centered, maximize } = group;
    const options = { lr, alpha, eps, weightDecay, momentum, centered, maximize, masks };
    rmspropUpdate(params, grads, { ...states, squareAvg: states.squareAvg as Tensor[] }, options);
  }
}

/** Options of `Adagrad`. */
export interface AdagradOptions extends DividedOptions {
  /** Step t is lr / (1 + (t - 1) lrDecay). Default: 0. */
  readonly lrDecay?: number | undefined;
  /** What the sums of squares begin with. Default: 0. */
  readonly initialAccumulatorValue?: number | undefined;
}

const adagradDefaults = {
  lr: 1e-2,
  lrDecay: 0,
  weightDecay: 0,
  initialAccumulatorValue: 0,
  eps: 1e-10,
  maximize: false,
};

/** Divides the gradient by the root of the sum of all its squares (Duchi et al. 2011). As torch.optim.Adagrad. */
export class Adagrad extends Divided<AdagradOptions> {
  constructor(params: Params<AdagradOptions>, options: AdagradOptions = {}) {
    super(params, options, adagradDefaults);
  }

  protected override check(group: ParamGroup<AdagradOptions>): void {
    super.check(group);
    this.require(group, 'lrDecay', 0);
    this.require(group, 'initialAccumulatorValue', 0);
  }

  protected override states({ initialAccumulatorValue }: ParamGroup<AdagradOptions>): Record<string, number> {
    return { sum: initialAccumulatorValue };
  }

  protected override update(
    group: ParamGroup<AdagradOptions>,
    { params, grads, masks, states, step }: UpdateBatch,
  ): void {
    const { lr, lrDecay, eps, weightDecay, maximize } = group;
    const options = { lr, lrDecay, eps, weightDecay, maximize, masks, step };
    adagradUpdate(params, grads, { sum: states.sum as Tensor[] }, options);
  }
}

/** Options of `Adadelta`. */
export interface AdadeltaOptions extends DividedOptions {
  /** Decay of the averages. Default: 0.9. */
  readonly rho?: number | undefined;
}

/** Steps in proportion to the size of earlier ones (Zeiler 2012). As torch.optim.Adadelta. */
export class Adadelta extends Divided<AdadeltaOptions> {
  constructor(params: Params<AdadeltaOptions>, options: AdadeltaOptions = {}) {
    super(params, options, { lr: 1, rho: 0.9, eps: 1e-6, weightDecay: 0, maximize: false });
  }

  protected override readonly countsSteps = false;

  protected override check(group: ParamGroup<AdadeltaOptions>): void {
    super.check(group);
    this.require(group, 'rho', 0, 1 + Number.EPSILON);
  }

  protected override states(): Record<string, number> {
    return { squareAvg: 0, accDelta: 0 };
  }

  protected override update(group: ParamGroup<AdadeltaOptions>, { params, grads, masks, states }: UpdateBatch): void {
    const { squareAvg, accDelta } = states as Record<'squareAvg' | 'accDelta', Tensor[]>;
    const { lr, rho, eps, weightDecay, maximize } = group;
    adadeltaUpdate(params, grads, { squareAvg, accDelta }, { lr, rho, eps, weightDecay, maximize, masks });
  }
}
