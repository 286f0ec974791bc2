// Schedules that multiply the learning rate.
import { checkOptions, TilegradError } from '../../error.ts';
import { checkNumber, LRScheduler, type Scheduled } from './scheduler.ts';

/** A function of the step's number: one for all groups, or one for each. */
export type RateFunction = ((t: number) => number) | readonly ((t: number) => number)[];

function rateFunctions(user: string, optimizer: Scheduled, given: RateFunction): readonly ((t: number) => number)[] {
  const groups = optimizer?.paramGroups?.length ?? 0;
  const functions = typeof given === 'function' ? new Array<(t: number) => number>(groups).fill(given) : given;
  if (!Array.isArray(functions) || functions.length !== groups || !functions.every((f) => typeof f === 'function'))
    throw new TilegradError('ERR_ARGUMENT', `${user}: expected a function, or one for each of ${groups} groups`);
  return functions;
}

/** The initial rate times `factor(t)`. As torch.optim.lr_scheduler.LambdaLR. */
export class LambdaLR extends LRScheduler {
  constructor(optimizer: Scheduled, factor: RateFunction) {
    const functions = rateFunctions('LambdaLR', optimizer, factor);
    super(optimizer, (_lr, initial, t, _group, i) => initial * (functions[i] as (t: number) => number)(t));
  }
}

/** The rate times `factor(t)` at every step but the first. As torch.optim.lr_scheduler.MultiplicativeLR. */
export class MultiplicativeLR extends LRScheduler {
  constructor(optimizer: Scheduled, factor: RateFunction) {
    const functions = rateFunctions('MultiplicativeLR', optimizer, factor);
    super(optimizer, (lr, _initial, t, _group, i) => (t > 0 ? lr * (functions[i] as (t: number) => number)(t) : lr));
  }
}

/** The rate times `gamma` (0.1) every `stepSize` steps. As torch.optim.lr_scheduler.StepLR. */
export class StepLR extends LRScheduler {
  constructor(optimizer: Scheduled, stepSize: number, options: { readonly gamma?: number | undefined } = {}) {
    checkOptions('StepLR', options, ['gamma']);
    const { gamma = 0.1 } = options;
    checkNumber('StepLR', 'stepSize', stepSize, 1, true);
    checkNumber('StepLR', 'gamma', gamma);
    super(optimizer, (lr, _initial, t) => (t > 0 && t % stepSize === 0 ? lr * gamma : lr));
  }
}

/** The rate times `gamma` (0.1) at each of the steps in `milestones`. As torch.optim.lr_scheduler.MultiStepLR. */
export class MultiStepLR extends LRScheduler {
  constructor(
    optimizer: Scheduled,
    milestones: readonly number[],
    options: { readonly gamma?: number | undefined } = {},
  ) {
    checkOptions('MultiStepLR', options, ['gamma']);
    const { gamma = 0.1 } = options;
    for (const milestone of milestones) checkNumber('MultiStepLR', 'milestones', milestone, 0, true);
    super(optimizer, (lr, _initial, t) => lr * gamma ** milestones.filter((milestone) => milestone === t).length);
  }
}

/** The rate times `factor` (1/3) for the first `totalIters` (5) steps. As torch.optim.lr_scheduler.ConstantLR. */
export class ConstantLR extends LRScheduler {
  constructor(
    optimizer: Scheduled,
    options: { readonly factor?: number | undefined; readonly totalIters?: number | undefined } = {},
  ) {
    checkOptions('ConstantLR', options, ['factor', 'totalIters']);
    const { factor = 1 / 3, totalIters = 5 } = options;
    checkNumber('ConstantLR', 'factor', factor, Number.MIN_VALUE);
    checkNumber('ConstantLR', 'totalIters', totalIters, 0, true);
    super(optimizer, (lr, _initial, t) => (t === 0 ? lr * factor : t === totalIters ? lr / factor : lr));
  }
}

/** Options of `LinearLR`. */
export interface LinearLROptions {
  /** Factor of the first step, above 0. Default: 1/3. */
  readonly startFactor?: number | undefined;
  /** Factor from step `totalIters` on. Default: 1. */
  readonly endFactor?: number | undefined;
  /** Steps from one factor to the other. Default: 5. */
  readonly totalIters?: number | undefined;
}

/** A factor that goes from `startFactor` to `endFactor` in a straight line. As torch.optim.lr_scheduler.LinearLR. */
export class LinearLR extends LRScheduler {
  constructor(optimizer: Scheduled, options: LinearLROptions = {}) {
    checkOptions('LinearLR', options, ['startFactor', 'endFactor', 'totalIters']);
    const { startFactor = 1 / 3, endFactor = 1, totalIters = 5 } = options;
    checkNumber('LinearLR', 'startFactor', startFactor, Number.MIN_VALUE);
    checkNumber('LinearLR', 'endFactor', endFactor, 0);
    checkNumber('LinearLR', 'totalIters', totalIters, 1, true);
    const factor = (t: number): number => startFactor + ((endFactor - startFactor) * t) / totalIters;
    super(optimizer, (lr, _initial, t) => {
      if (t === 0) return lr * startFactor;
      return t > totalIters ? lr : (lr * factor(t)) / factor(t - 1);
    });
  }
}

/** The rate times `gamma` at every step. As torch.optim.lr_scheduler.ExponentialLR. */
export class ExponentialLR extends LRScheduler {
  constructor(optimizer: Scheduled, gamma: number) {
    checkNumber('ExponentialLR', 'gamma', gamma);
    super(optimizer, (lr, _initial, t) => (t > 0 ? lr * gamma : lr));
  }
}

/**
 * The initial rate times (1 - t / totalIters)^power, 0 from step `totalIters` (5) on; power 1 by default. As
 * torch.optim.lr_scheduler.PolynomialLR.
 */
export class PolynomialLR extends LRScheduler {
  constructor(
    optimizer: Scheduled,
    options: { readonly totalIters?: number | undefined; readonly power?: number | undefined } = {},
  ) {
    checkOptions('PolynomialLR', options, ['totalIters', 'power']);
    const { totalIters = 5, power = 1 } = options;
    checkNumber('PolynomialLR', 'totalIters', totalIters, 1, true);
    checkNumber('PolynomialLR', 'power', power, 0);
    super(optimizer, (lr, _initial, t) => {
      return t === 0 || t > totalIters ? lr : lr * ((totalIters - t) / (totalIters - t + 1)) ** power;
    });
  }
}
