// The schedule that watches a metric.
import { checkOptions, TilegradError } from '../../error.ts';
import { checkNumber, type Scheduled, type ScheduledGroup, type SchedulerState } from './scheduler.ts';

/** Options of `ReduceLROnPlateau`. */
export interface ReduceLROnPlateauOptions {
  /** Whether a smaller or a larger metric is better. Default: 'min'. */
  readonly mode?: 'min' | 'max' | undefined;
  /** What the rate is multiplied by, below 1. Default: 0.1. */
  readonly factor?: number | undefined;
  /** Steps without improvement that are let pass. Default: 10. */
  readonly patience?: number | undefined;
  /** By how much a better metric must be better. Default: 1e-4. */
  readonly threshold?: number | undefined;
  /** Whether `threshold` is a share of the best metric ('rel', the default) or an amount ('abs'). */
  readonly thresholdMode?: 'rel' | 'abs' | undefined;
  /** Steps after a reduction in which nothing is counted. Default: 0. */
  readonly cooldown?: number | undefined;
  /** No rate falls below this. Default: 0. */
  readonly minLr?: number | undefined;
  /** Smaller changes of the rate are not made. Default: 1e-8. */
  readonly eps?: number | undefined;
}

const optionNames = ['mode', 'factor', 'patience', 'threshold', 'thresholdMode', 'cooldown', 'minLr', 'eps'];

/** Lowers the rates when a metric has stopped improving. As torch.optim.lr_scheduler.ReduceLROnPlateau. */
export class ReduceLROnPlateau {
  readonly optimizer: Scheduled;
  readonly #options: { [K in keyof ReduceLROnPlateauOptions]-?: Exclude<ReduceLROnPlateauOptions[K], undefined> };
  /** How often `step()` was called. */
  lastEpoch = 0;
  #best: number | null = null;
  #badSteps = 0;
  #cooldown = 0;

  constructor(optimizer: Scheduled, options: ReduceLROnPlateauOptions = {}) {
    checkOptions('ReduceLROnPlateau', options, optionNames);
    if (!Array.isArray(optimizer?.paramGroups))
      throw new TilegradError('ERR_ARGUMENT', 'ReduceLROnPlateau: the first argument must be an optimizer');
    const { mode = 'min', factor = 0.1, patience = 10, threshold = 1e-4, thresholdMode = 'rel' } = options;
    const { cooldown = 0, minLr = 0, eps = 1e-8 } = options;
    if (mode !== 'min' && mode !== 'max')
      throw new TilegradError('ERR_ARGUMENT', `ReduceLROnPlateau: mode must be 'min' or 'max' but is '${mode}'`);
    if (thresholdMode !== 'rel' && thresholdMode !== 'abs')
      throw new TilegradError(
        'ERR_ARGUMENT',
        `ReduceLROnPlateau: thresholdMode must be 'rel' or 'abs' but is '${thresholdMode}'`,
      );
    if (!(factor < 1))
      throw new TilegradError('ERR_ARGUMENT', `ReduceLROnPlateau: factor must be below 1 but is ${factor}`);
    checkNumber('ReduceLROnPlateau', 'patience', patience, 0, true);
    this.optimizer = optimizer;
    this.#options = { mode, factor, patience, threshold, thresholdMode, cooldown, minLr, eps };
  }

  /** Tells the metric of the epoch that ended, and sets the rates for the next. */
  step(metric: number): void {
    checkNumber('ReduceLROnPlateau.step', 'metric', Number.isNaN(metric) ? 0 : metric);
    const { factor, patience, cooldown, minLr, eps } = this.#options;
    this.lastEpoch += 1;
    const better = this.#isBetter(metric);
    if (better) this.#best = metric;
    this.#badSteps = better ? 0 : this.#badSteps + 1;
    if (this.#cooldown > 0) {
      this.#cooldown -= 1;
      this.#badSteps = 0;
    }
    if (this.#badSteps <= patience) return;
    for (const group of this.optimizer.paramGroups as ScheduledGroup[]) {
      const lr = Math.max(group.lr * factor, minLr);
      if (group.lr - lr > eps) group.lr = lr;
    }
    this.#cooldown = cooldown;
    this.#badSteps = 0;
  }

  #isBetter(metric: number): boolean {
    const { mode, threshold, thresholdMode } = this.#options;
    const best = this.#best;
    if (best === null) return !Number.isNaN(metric);
    const sign = mode === 'min' ? -1 : 1;
    return sign * metric > sign * (thresholdMode === 'rel' ? best * (1 + sign * threshold) : best + sign * threshold);
  }

  /** The present learning rate of each group. */
  getLastLr(): number[] {
    return (this.optimizer.paramGroups as ScheduledGroup[]).map(({ lr }) => lr);
  }

  /** Everything that a later run needs to go on from here. */
  stateDict(): SchedulerState {
    const best = this.#best === null ? {} : { best: this.#best };
    return { ...best, lastEpoch: this.lastEpoch, badSteps: this.#badSteps, cooldown: this.#cooldown };
  }

  /** Continues where `stateDict()` was called. */
  loadStateDict(state: SchedulerState): void {
    const { best, lastEpoch, badSteps, cooldown } = state as Record<string, number>;
    for (const [name, value] of Object.entries({ lastEpoch, badSteps, cooldown }))
      checkNumber('ReduceLROnPlateau.loadStateDict', name, value as number, 0, true);
    this.#best = best ?? null;
    this.lastEpoch = lastEpoch as number;
    this.#badSteps = badSteps as number;
    this.#cooldown = cooldown as number;
  }
}
