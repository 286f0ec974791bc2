// Schedules along cosines and cycles.
import { checkOptions, TilegradError } from '../../error.ts';
import { checkNumber, LRScheduler, type Scheduled, type ScheduledGroup } from './scheduler.ts';

/** From `start` (share 0) to `end` (share 1) along half a cosine. */
const cosine = (start: number, end: number, share: number): number =>
  end + ((start - end) * (1 + Math.cos(Math.PI * share))) / 2;

/**
 * From the initial rate down to `etaMin` (0) in `tMax` steps along half a cosine, and up again if the steps go on. As
 * torch.optim.lr_scheduler.CosineAnnealingLR.
 */
export class CosineAnnealingLR extends LRScheduler {
  constructor(optimizer: Scheduled, tMax: number, options: { readonly etaMin?: number | undefined } = {}) {
    checkOptions('CosineAnnealingLR', options, ['etaMin']);
    const { etaMin = 0 } = options;
    checkNumber('CosineAnnealingLR', 'tMax', tMax, 1, true);
    checkNumber('CosineAnnealingLR', 'etaMin', etaMin);
    const height = (t: number): number => 1 + Math.cos((Math.PI * t) / tMax);
    super(optimizer, (lr, initial, t) => {
      if (t === 0) return lr;
      // At the bottom the ratio to the step before has no value: the way up begins from etaMin.
      if ((t - 1 - tMax) % (2 * tMax) === 0) return lr + ((initial - etaMin) * (1 - Math.cos(Math.PI / tMax))) / 2;
      return etaMin + (lr - etaMin) * (height(t) / height(t - 1));
    });
  }
}

/**
 * Half a cosine from the initial rate to `etaMin` (0) in `t0` steps, then again from the top, each time `tMult` (1)
 * times as long. As torch.optim.lr_scheduler.CosineAnnealingWarmRestarts.
 */
export class CosineAnnealingWarmRestarts extends LRScheduler {
  constructor(
    optimizer: Scheduled,
    t0: number,
    options: { readonly tMult?: number | undefined; readonly etaMin?: number | undefined } = {},
  ) {
    checkOptions('CosineAnnealingWarmRestarts', options, ['tMult', 'etaMin']);
    const { tMult = 1, etaMin = 0 } = options;
    checkNumber('CosineAnnealingWarmRestarts', 't0', t0, 1, true);
    checkNumber('CosineAnnealingWarmRestarts', 'tMult', tMult, 1, true);
    super(optimizer, (_lr, initial, t) => {
      let [length, rest] = [t0, tMult === 1 ? t % t0 : t];
      for (; rest >= length; length *= tMult) rest -= length;
      return cosine(initial, etaMin, rest / length);
    });
  }
}

function setMomentum(group: ScheduledGroup, value: number): void {
  if (group.betas) group.betas = [value, group.betas[1]];
  else group.momentum = value;
}

function checkMomentum(user: string, optimizer: Scheduled): void {
  const groups = optimizer?.paramGroups as ScheduledGroup[] | undefined;
  if (groups?.some((group) => group.momentum === undefined && group.betas === undefined))
    throw new TilegradError('ERR_ARGUMENT', `${user}: the optimizer has no momentum; pass cycleMomentum: false`);
}

/** Options of `CyclicLR`. */
export interface CyclicLROptions {
  /** Steps from the base rate to the largest. Default: 2000. */
  readonly stepSizeUp?: number | undefined;
  /** Steps back. Default: `stepSizeUp`. */
  readonly stepSizeDown?: number | undefined;
  /** The same height each time, half of it after each cycle, or `gamma`^t of it. Default: 'triangular'. */
  readonly mode?: 'triangular' | 'triangular2' | 'exp_range' | undefined;
  /** Default: 1. */
  readonly gamma?: number | undefined;
  /** Moves the momentum the other way. Default: true. */
  readonly cycleMomentum?: boolean | undefined;
  /** Default: 0.8. */
  readonly baseMomentum?: number | undefined;
  /** Default: 0.9. */
  readonly maxMomentum?: number | undefined;
}

/** Up from `baseLr` to `maxLr` and down again, over and over (Smith 2017). As torch.optim.lr_scheduler.CyclicLR. */
export class CyclicLR extends LRScheduler {
  constructor(optimizer: Scheduled, baseLr: number, maxLr: number, options: CyclicLROptions = {}) {
    checkOptions('CyclicLR', options, [
      ...['stepSizeUp', 'stepSizeDown', 'mode', 'gamma', 'cycleMomentum', 'baseMomentum', 'maxMomentum'],
    ]);
    const { stepSizeUp = 2000, mode = 'triangular', gamma = 1, baseMomentum = 0.8, maxMomentum = 0.9 } = options;
    const { stepSizeDown = stepSizeUp, cycleMomentum = true } = options;
    checkNumber('CyclicLR', 'stepSizeUp', stepSizeUp, 1);
    checkNumber('CyclicLR', 'stepSizeDown', stepSizeDown, 1);
    checkNumber('CyclicLR', 'baseLr', baseLr, 0);
    checkNumber('CyclicLR', 'maxLr', maxLr, 0);
    if (!['triangular', 'triangular2', 'exp_range'].includes(mode))
      throw new TilegradError(
        'ERR_ARGUMENT',
        `CyclicLR: mode must be 'triangular', 'triangular2' or 'exp_range' but is '${mode}'`,
      );
    if (cycleMomentum) checkMomentum('CyclicLR', optimizer);
    const period = stepSizeUp + stepSizeDown;
    super(optimizer, (_lr, _initial, t, group) => {
      const cycle = Math.floor(t / period);
      const place = t - cycle * period;
      const share = place <= stepSizeUp ? place / stepSizeUp : (period - place) / stepSizeDown;
      const height = mode === 'triangular2' ? share / 2 ** cycle : mode === 'exp_range' ? share * gamma ** t : share;
      if (cycleMomentum) setMomentum(group, maxMomentum - (maxMomentum - baseMomentum) * height);
      return baseLr + (maxLr - baseLr) * height;
    });
  }
}

/** Options of `OneCycleLR`. */
export interface OneCycleLROptions {
  /** All steps of the training. */
  readonly totalSteps: number;
  /** Share of the steps on the way up. Default: 0.3. */
  readonly pctStart?: number | undefined;
  /** Along half a cosine or a straight line. Default: 'cos'. */
  readonly annealStrategy?: 'cos' | 'linear' | undefined;
  /** Moves the momentum the other way. Default: true. */
  readonly cycleMomentum?: boolean | undefined;
  /** Default: 0.85. */
  readonly baseMomentum?: number | undefined;
  /** Default: 0.95. */
  readonly maxMomentum?: number | undefined;
  /** The first rate is `maxLr` divided by this. Default: 25. */
  readonly divFactor?: number | undefined;
  /** The last rate is the first divided by this. Default: 10000. */
  readonly finalDivFactor?: number | undefined;
  /** Goes down as long as up, and to the last rate in the steps that are left. Default: false. */
  readonly threePhase?: boolean | undefined;
}

const oneCycleOptions = [
  ...['totalSteps', 'pctStart', 'annealStrategy', 'cycleMomentum', 'baseMomentum', 'maxMomentum', 'divFactor'],
  ...['finalDivFactor', 'threePhase'],
];

/** One way up to `maxLr` and one down, far below the start (Smith and Topin 2019). As torch.optim.lr_scheduler.OneCycleLR. */
export class OneCycleLR extends LRScheduler {
  constructor(optimizer: Scheduled, maxLr: number, options: OneCycleLROptions) {
    checkOptions('OneCycleLR', options, oneCycleOptions);
    const { totalSteps, pctStart = 0.3, annealStrategy = 'cos', cycleMomentum = true, threePhase = false } = options;
    const { baseMomentum = 0.85, maxMomentum = 0.95, divFactor = 25, finalDivFactor = 1e4 } = options;
    checkNumber('OneCycleLR', 'totalSteps', totalSteps, 1, true);
    checkNumber('OneCycleLR', 'maxLr', maxLr, 0);
    if (!(pctStart >= 0 && pctStart <= 1))
      throw new TilegradError('ERR_ARGUMENT', `OneCycleLR: pctStart must be from 0 to 1 but is ${pctStart}`);
    if (cycleMomentum) checkMomentum('OneCycleLR', optimizer);
    const [first, up] = [maxLr / divFactor, pctStart * totalSteps - 1];
    const last = first / finalDivFactor;
    // Where each phase ends, and rate and momentum from its start to its end.
    const phases: [number, number, number, number, number][] = threePhase
      ? [
          [up, first, maxLr, maxMomentum, baseMomentum],
          [2 * pctStart * totalSteps - 2, maxLr, first, baseMomentum, maxMomentum],
          [totalSteps - 1, first, last, maxMomentum, maxMomentum],
        ]
      : [
          [up, first, maxLr, maxMomentum, baseMomentum],
          [totalSteps - 1, maxLr, last, baseMomentum, maxMomentum],
        ];
    const between = annealStrategy === 'cos' ? cosine : (a: number, b: number, share: number) => a + (b - a) * share;
    super(optimizer, (_lr, _initial, t, group) => {
      if (t > totalSteps)
        throw new TilegradError('ERR_ARGUMENT', `OneCycleLR: step ${t} comes after the ${totalSteps} steps in all`);
      const found = phases.findIndex(([end]) => t <= end);
      const i = found < 0 ? phases.length - 1 : found;
      const [end, fromLr, toLr, fromMomentum, toMomentum] = phases[i] as (typeof phases)[number];
      const start = i === 0 ? 0 : (phases[i - 1] as (typeof phases)[number])[0];
      const share = (t - start) / (end - start);
      if (cycleMomentum) setMomentum(group, between(fromMomentum, toMomentum, share));
      return between(fromLr, toLr, share);
    });
  }
}
