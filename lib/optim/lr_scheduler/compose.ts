// Schedules made of schedules.
import { TilegradError } from '../../error.ts';
import { LRScheduler, type Scheduled, type SchedulerState } from './scheduler.ts';

function checkMembers(user: string, optimizer: Scheduled, schedulers: readonly LRScheduler[]): void {
  if (!Array.isArray(schedulers) || schedulers.length === 0 || !schedulers.every((s) => s instanceof LRScheduler))
    throw new TilegradError('ERR_ARGUMENT', `${user}: expected a list of schedulers`);
  if (schedulers.some((scheduler) => scheduler.optimizer !== optimizer))
    throw new TilegradError('ERR_ARGUMENT', `${user}: all schedulers must have the same optimizer`);
}

const states = (schedulers: readonly LRScheduler[]): SchedulerState[] => schedulers.map((s) => s.stateDict());

function loadStates(user: string, schedulers: readonly LRScheduler[], state: SchedulerState): void {
  const all = state.schedulers as SchedulerState[] | undefined;
  if (!Array.isArray(all) || all.length !== schedulers.length)
    throw new TilegradError(
      'ERR_ARGUMENT',
      `${user}.loadStateDict: expected the state of ${schedulers.length} schedulers`,
    );
  schedulers.forEach((scheduler, i) => {
    scheduler.loadStateDict(all[i] as SchedulerState);
  });
}

/**
 * One schedule after the other: number i + 1 takes over, from the initial rates, at step `milestones[i]`. As
 * torch.optim.lr_scheduler.SequentialLR.
 */
export class SequentialLR extends LRScheduler {
  readonly #schedulers: readonly LRScheduler[];
  readonly #milestones: readonly number[];

  constructor(optimizer: Scheduled, schedulers: readonly LRScheduler[], milestones: readonly number[]) {
    checkMembers('SequentialLR', optimizer, schedulers);
    if (milestones?.length !== schedulers.length - 1)
      throw new TilegradError(
        'ERR_ARGUMENT',
        `SequentialLR: ${schedulers.length} schedulers need ${schedulers.length - 1} milestones but have ${milestones?.length}`,
      );
    super(optimizer, (lr) => lr);
    this.#schedulers = [...schedulers];
    this.#milestones = [...milestones];
    (schedulers[0] as LRScheduler)._restart();
  }

  override step(): void {
    this.lastEpoch += 1;
    const i = this.#milestones.filter((milestone) => milestone <= this.lastEpoch).length;
    const current = this.#schedulers[i] as LRScheduler;
    if (i > 0 && this.#milestones[i - 1] === this.lastEpoch) current._restart();
    else current.step();
  }

  override stateDict(): SchedulerState {
    return { ...super.stateDict(), schedulers: states(this.#schedulers) };
  }

  override loadStateDict(state: SchedulerState): void {
    loadStates('SequentialLR', this.#schedulers, state);
    super.loadStateDict(state);
  }
}

/** Several schedules at once: each multiplies the rate in turn. As torch.optim.lr_scheduler.ChainedScheduler. */
export class ChainedScheduler extends LRScheduler {
  readonly #schedulers: readonly LRScheduler[];

  constructor(schedulers: readonly LRScheduler[]) {
    const { optimizer } = schedulers?.[0] ?? {};
    checkMembers('ChainedScheduler', optimizer as Scheduled, schedulers);
    super(optimizer as Scheduled, (lr) => lr);
    this.#schedulers = [...schedulers];
  }

  override step(): void {
    this.lastEpoch += 1;
    for (const scheduler of this.#schedulers) scheduler.step();
  }

  override stateDict(): SchedulerState {
    return { ...super.stateDict(), schedulers: states(this.#schedulers) };
  }

  override loadStateDict(state: SchedulerState): void {
    loadStates('ChainedScheduler', this.#schedulers, state);
    super.loadStateDict(state);
  }
}
