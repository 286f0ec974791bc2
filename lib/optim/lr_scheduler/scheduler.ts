// The base of learning rate schedules.
import { TilegradError } from '../../error.ts';
import type { Optimizer } from '../optimizer.ts';

/** Any optimiser: schedules need no more than the learning rates of its groups. */
export type Scheduled = Pick<Optimizer, 'paramGroups'>;
/** A parameter group as schedules see it. */
export interface ScheduledGroup {
  lr: number;
  /** The learning rate before any schedule; schedules of one optimiser share it. */
  initialLr?: number;
  momentum?: number;
  betas?: readonly [number, number];
}

/** The learning rate of step `t` (0 before the first), from that of the step before and from the initial one. */
export type NextRate = (lr: number, initial: number, t: number, group: ScheduledGroup, i: number) => number;

/** What `stateDict` of a schedule gives: plain values that JSON keeps. */
export type SchedulerState = Record<string, number | readonly number[] | readonly SchedulerState[]>;

/** Throws ERR_ARGUMENT unless `value` is a number from `least` up (and whole, if asked). @internal */
export function checkNumber(user: string, name: string, value: number, least = -Infinity, whole = false): void {
  if (typeof value === 'number' && value >= least && (!whole || Number.isSafeInteger(value))) return;
  const kind = whole ? 'a whole number' : 'a number';
  const bound = least === -Infinity ? '' : ` from ${least} up`;
  throw new TilegradError('ERR_ARGUMENT', `${user}: ${name} must be ${kind}${bound} but is ${value}`);
}

/**
 * Sets the learning rates of an optimiser's groups: at once for the first step, and for the next one whenever `step()` is
 * called. Most schedules multiply the present rate, so that several work together. As
 * torch.optim.lr_scheduler.LRScheduler.
 */
export abstract class LRScheduler {
  /** How often `step()` was called. */
  lastEpoch = 0;
  readonly optimizer: Scheduled;
  #initial: number[];
  readonly #next: NextRate;

  constructor(optimizer: Scheduled, next: NextRate) {
    if (!Array.isArray(optimizer?.paramGroups))
      throw new TilegradError('ERR_ARGUMENT', `${this.constructor.name}: the first argument must be an optimizer`);
    this.optimizer = optimizer;
    this.#next = next;
    this.#initial = this.groups.map((group) => {
      group.initialLr ??= group.lr;
      return group.initialLr;
    });
    this.#apply();
  }

  /** @internal */
  protected get groups(): ScheduledGroup[] {
    return this.optimizer.paramGroups as ScheduledGroup[];
  }

  /** Sets the rates for the next step: call it once after each `optimizer.step()`, or after each epoch. */
  step(): void {
    this.lastEpoch += 1;
    this.#apply();
  }

  #apply(): void {
    this.groups.forEach((group, i) => {
      group.lr = this.#next(group.lr, this.#initial[i] ?? group.lr, this.lastEpoch, group, i);
    });
  }

  /** Begins again from the initial rates. @internal */
  _restart(): void {
    this.lastEpoch = 0;
    this.groups.forEach((group, i) => {
      group.lr = this.#initial[i] ?? group.lr;
    });
    this.#apply();
  }

  /** The present learning rate of each group. */
  getLastLr(): number[] {
    return this.groups.map(({ lr }) => lr);
  }

  /** Where the schedule is. The learning rates themselves are in the optimiser's state dict. */
  stateDict(): SchedulerState {
    return { lastEpoch: this.lastEpoch, initialLrs: [...this.#initial] };
  }

  /** Continues where `stateDict()` was called; load the optimiser's state dict as well. */
  loadStateDict(state: SchedulerState): void {
    const { lastEpoch, initialLrs } = state as { lastEpoch: number; initialLrs: number[] };
    checkNumber(`${this.constructor.name}.loadStateDict`, 'lastEpoch', lastEpoch, 0, true);
    if (!Array.isArray(initialLrs) || initialLrs.length !== this.#initial.length)
      throw new TilegradError(
        'ERR_ARGUMENT',
        `${this.constructor.name}.loadStateDict: initialLrs must have one number for each of ${this.#initial.length} groups`,
      );
    this.lastEpoch = lastEpoch;
    this.#initial = [...initialLrs];
  }
}
